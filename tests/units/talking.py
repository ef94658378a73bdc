"""Conversations without a machine: a test is their kernel, their model and all that answers them."""

from __future__ import annotations

from typing import Any

import msgspec

from gemot.abi.answers import Answer, Born, Error, Mail, Ok, Outcome, Returned, Room, Waited
from gemot.abi.messages import Message, Reply, Text, ToolRequest, ToolResult
from gemot.abi.syscalls import Ask, Call, Exit, Fork, Generate, Mandate, PageIn, PageOut, Spawn, Syscall, Wait
from gemot.programs.conversation import Conversation
from gemot.programs.port import Start

RULES, GOAL = "These are the rules.", "This is the goal."
OFFERS = 900
"""Characters of what is offered, which the estimate counts and the conversation does not know."""


def use(id: str, path: str) -> ToolRequest:
    return ToolRequest(id, "files/read", msgspec.json.encode({"path": path}).decode())


def request(id: str, name: str, **arguments: Any) -> ToolRequest:
    return ToolRequest(id, name, msgspec.json.encode(arguments).decode())


class Talk:
    """A conversation, and all that is around it: a kernel that refuses what does not fit a window of so many tokens."""

    def __init__(self, window: int, conversation: Conversation | None = None, summaries: bool = False) -> None:
        self.window = window
        self.made: list[Syscall] = []
        self.count = 0
        self.told: tuple[Mail, ...] = ()
        if conversation is None:
            conversation = Conversation(RULES, summaries)
            conversation.absorb(Start(1, "one", GOAL, {}, ""))
        self.conversation = conversation

    @property
    def tokens(self) -> int:
        return (self.conversation.size_chars + OFFERS) // 3 + 1

    def until_asked(self, mail: tuple[Mail, ...] = ()) -> tuple[Message, ...]:
        """Answer whatever is wanted until the model is asked something that fits; what it is shown (nothing: it gave up)."""
        for _ in range(200):
            wanted = self.conversation.decide()
            self.made.append(wanted)
            if isinstance(wanted, Exit):
                return ()
            if isinstance(wanted, Generate) and (not self.window or self.tokens <= self.window - self.window // 8):
                return self.conversation.reading(wanted)
            self.conversation.absorb(msgspec.structs.replace(self.answer(wanted), mail=mail))
            self.told += mail
            mail = ()
        raise AssertionError("it never asks anything that fits")

    def answer(self, wanted: Syscall) -> Answer:
        match wanted:
            case Generate():
                return Error("window", "too long", room=Room(self.window, self.tokens))
            case Call(uses):
                return Ok(tuple(Returned(one.tool, True, self.result(one.arguments["path"])) for one in uses))
            case Ask(question):
                return Ok(f"the person's answer to {question}")
            case Mandate():
                return Ok({"endorsed": [1]})
            case Spawn(brief):
                self.brief = brief
                return Ok(Born(77))
            case Fork():
                return Ok(Born(5))
            case Wait(children):
                told = tuple(
                    Outcome(pid, "child", "done", f"child {pid} found out {'much ' * 30}") for pid in children or (8, 9)
                )
                return Ok(Waited(told))
            case PageOut() | PageIn():
                return Ok()
            case _:
                raise AssertionError(f"unexpected: {wanted}")

    def result(self, path: str) -> str:
        self.count += 1
        return f"content of {path}: " + "abc \n" * (len(path) * 7 % 90)

    def reply(self, *parts: Any, mail: tuple[Mail, ...] = ()) -> tuple[Message, ...]:
        """The model says this; what it is shown next."""
        self.conversation.absorb(Ok(Reply(tuple(parts))))
        return self.until_asked(mail)


def texts(messages: tuple[Message, ...]) -> list[str]:
    return [part.arguments if isinstance(part, ToolRequest) else part.text for one in messages for part in one.parts]


def whole_exchanges(messages: tuple[Message, ...]) -> None:
    """Every request has its result right after it, and every result its request."""
    for at, message in enumerate(messages):
        asked = [part.id for part in message.parts if isinstance(part, ToolRequest)]
        told = [part.id for part in messages[at + 1].parts if isinstance(part, ToolResult)] if asked else []
        assert asked == told, message
        if message.role == "tool":
            assert any(isinstance(part, ToolRequest) for part in messages[at - 1].parts)


def long_talk(window: int = 8_000, turns: int = 300, summaries: bool = False) -> tuple[Talk, list[tuple[Message, ...]]]:
    talk = Talk(window, summaries=summaries)
    shown = [talk.until_asked()]
    for turn in range(turns):
        shown.append(talk.reply(Text(f"I look at file {turn}."), use(f"r{turn}", f"folder/file-{turn}.md")))
    return talk, shown
