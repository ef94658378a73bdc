"""Images in readings: a model is shown them however they come, and what is taken back is in no later reading."""

from __future__ import annotations

from talking import Talk, request, use

from gemot.abi.answers import Answer, Entry, Mail, Ok, Returned
from gemot.abi.effects import TakeBack
from gemot.abi.limits import IMAGES_MAX
from gemot.abi.messages import Image, Message, Reply, Text, ToolResult
from gemot.abi.syscalls import Call, Receive, Syscall
from gemot.programs.pages import images_of

PLAN = Image("d" * 64, "image/png", 100, 100, "plan.png: PNG image, 100 x 100 pixels, 9 bytes", 9)
PHOTO = Image("e" * 64, "image/png", 100, 100, "photo.png: PNG image, 100 x 100 pixels, 9 bytes", 9)
SENT = Mail(0, "look at this", images=(PLAN,))


class Gallery(Talk):
    """Every file is a photo, and the person sends a plan to whoever listens."""

    def answer(self, wanted: Syscall) -> Answer:
        match wanted:
            case Call(uses):
                return Ok(tuple(Returned(one.tool, True, "[image: photo]", images=(PHOTO,)) for one in uses))
            case Receive():
                return Ok((SENT,))
            case _:
                return super().answer(wanted)


def seen(messages: tuple[Message, ...]) -> list[Image]:
    return [image for message in messages for image in images_of(message)]


def test_an_image_that_comes_with_what_a_model_receives_is_shown() -> None:
    talk = Gallery(0)
    talk.until_asked()
    assert seen(talk.reply(request("r1", "receive"))) == [PLAN]


def test_what_is_taken_back_is_not_in_what_was_brought_back_before_it_is_shown() -> None:
    """One reply brings a page back and uses a tool; the page is taken back while that runs."""
    talk = Gallery(0)
    talk.until_asked()
    talk.reply(use("r1", "a"))
    talk.reply(Text("and"), request("r2", "ask", question="what now?"))
    talk.reply(request("r3", "page_out", pages=[4]))
    conversation = talk.conversation
    assert not conversation.pages.resident(4)
    conversation.absorb(Ok(Reply((request("r4", "page_in", pages=[4]), use("r5", "b")))))
    conversation.decide()
    conversation.absorb(Ok())
    assert isinstance(conversation.decide(), Call), "the tool runs; what was brought back waits to be shown"
    conversation.take_back(TakeBack(1, (), "taken back: wrong", Entry(1, 1, places=((4, 0),))))
    conversation.absorb(Ok((Returned("files/read", True, "text"),)))
    conversation.decide()
    assert conversation.images == set()
    assert "[image: photo]" not in str(conversation.pages.messages())


def test_images_that_have_no_room_are_not_said_to_follow() -> None:
    talk = Gallery(0)
    talk.until_asked()
    talk.reply(*(use(f"r{number}", "a") for number in range(6)))
    talk.reply(*(use(f"s{number}", "a") for number in range(6)))
    talk.reply(Text("and"), request("t", "ask", question="what now?"))
    talk.reply(request("u", "page_out", pages=[4, 6]))
    shown = talk.reply(request("v", "page_in", pages=[4, 6]))
    (part,) = shown[-1].parts
    assert isinstance(part, ToolResult) and 0 < len(part.images) <= IMAGES_MAX
    follow = next(line for line in part.text.splitlines() if "follow:" in line)
    assert follow.count("photo.png") == len(part.images)
    left_out = next(line for line in part.text.splitlines() if "no room here for:" in line)
    assert left_out.count("photo.png") == 12 - len(part.images)
