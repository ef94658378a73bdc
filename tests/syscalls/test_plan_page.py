"""The page on writing grants says what is so: each of its grants is kept, and does what the text above it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from guarded import guarded, kept, tried
from test_plan_forms import ANN, BOB, CHAT, EVE, said
from worlds import EVERY_SYSCALL, KernelWorld

from gemot.abi.grants import Grant

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-grant.md"
READS = tuple(Grant(tool) for tool in ("chat/channels", "chat/read", "chat/of", "mail/list"))


def grants_of(heading: str) -> tuple[Grant, ...]:
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)
    return tuple(msgspec.convert(grant, Grant) for grant in tomllib.loads(block)["grants"])


@pytest.fixture
def pid(world: KernelWorld, request: pytest.FixtureRequest) -> int:
    guarded(world)
    world.install(CHAT)
    return world.tree(grants=(*EVERY_SYSCALL, *READS, *grants_of(request.param)))


@pytest.mark.parametrize("pid", ["The one with the most messages"], indirect=True)
def test_page_on_the_most_messages_is_true(world: KernelWorld, pid: int) -> None:
    kept(world, pid, "chat/channels", ["a", "b"])
    first = kept(world, pid, "chat/read", said(EVE, BOB), channel="a")
    to = {"$from": first, "at": "[1].sender"}
    assert tried(world, pid, "mail/send", to=to) == "grant"
    kept(world, pid, "chat/read", said(BOB, ANN, quoted=said(EVE, EVE)), channel="b")
    assert tried(world, pid, "mail/send", to={"$from": first, "at": "[0].sender"}) == "grant"
    assert tried(world, pid, "mail/send", to=to) == "done"


@pytest.mark.parametrize("pid", ["The argument of a call"], indirect=True)
def test_page_on_the_argument_of_a_call_is_true(world: KernelWorld, pid: int) -> None:
    kept(world, pid, "chat/of", said(ANN), user=ANN)
    bob = kept(world, pid, "chat/of", [{"text": "I like sailing"}], user=BOB)
    eve = kept(world, pid, "chat/of", [{"text": "sailing, sailing"}], user=EVE)
    assert tried(world, pid, "mail/send", to={"$from": eve, "argument": "user"}) == "grant"
    assert tried(world, pid, "mail/send", to={"$from": bob, "argument": "user"}) == "done"


@pytest.mark.parametrize("pid", ["One member of a list"], indirect=True)
def test_page_on_a_member_of_a_list_is_true(world: KernelWorld, pid: int) -> None:
    number = kept(world, pid, "mail/list", [{"title": "party", "guests": [EVE, BOB]}])
    assert tried(world, pid, "mail/send", to={"$from": number, "at": "[0].guests[0]"}) == "grant"
    assert tried(world, pid, "mail/send", to={"$from": number, "at": "[0].guests"}) == "grant"
    assert tried(world, pid, "mail/send", to={"$from": number, "at": "[0].guests[1]"}) == "done"


@pytest.mark.parametrize("pid", ["Words with values in them"], indirect=True)
def test_page_on_words_with_values_is_true(world: KernelWorld, pid: int) -> None:
    number = kept(world, pid, "mail/list", [{"id": 1, "place": "{place}'s"}, {"id": 2, "place": "Evil"}])

    def subject(index: int) -> dict[str, object]:
        return {"$text": "Dinner at {place}", "with": {"place": {"$from": number, "at": f"[{index}].place"}}}

    assert tried(world, pid, "mail/send", to=BOB, subject="Dinner at {place}'s") == "grant"
    assert tried(world, pid, "mail/send", to=BOB, subject=subject(1)) == "grant"
    assert tried(world, pid, "mail/send", to=BOB, subject=subject(0)) == "done"


@pytest.mark.parametrize("pid", ["Each of them once"], indirect=True)
def test_page_on_each_once_is_true(world: KernelWorld, pid: int) -> None:
    number = kept(world, pid, "mail/list", [{"title": "party", "guests": [BOB, ANN, BOB]}])
    tries = [tried(world, pid, "mail/send", to={"$from": number, "at": f"[0].guests[{one}]"}) for one in range(3)]
    assert tries == ["done", "done", "grant"]
