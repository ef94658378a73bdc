"""Trusted fields and records: a name means one place in one record, never a name at any depth."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from guarded import GUARDED, guarded, kept, refer, tried
from worlds import EVERY_SYSCALL, KernelWorld

from gemot.abi.answers import Error
from gemot.abi.grants import Grant, Rule, Source
from gemot.abi.labels import Label
from gemot.abi.syscalls import Fork
from gemot.authority.documents import Document, parsed, select, written
from gemot.authority.rules import flaw

BOB, EVE = "bob@x.org", "eve@evil.com"
SEND = Grant("mail/send", carries=("*",))


def world_with(world: KernelWorld, vouches: tuple[str, ...], records: str = "", *grants: Grant) -> int:
    """A process that may read mail, whose driver vouches for these fields, and that may send to anybody but on a stranger's word."""
    root = guarded(world, Grant("mail/list"), *(grants or (SEND,)))
    listing = next(tool for tool in GUARDED if tool.name == "mail/list")
    changed = msgspec.structs.replace(listing, vouches=vouches, records=records)
    world.install(tuple(changed if tool is listing else tool for tool in GUARDED))
    return root


def sent(world: KernelWorld, root: int, data: Any, reference: dict[str, Any]) -> str:
    number = kept(world, root, "mail/list", data)
    return tried(world, root, "mail/send", to={"$from": number, **reference}, subject="x", body="y")


NESTED = {"sender": BOB, "attachment": {"sender": EVE}, "labels": ["a", EVE], "parts": [{"sender": EVE}, BOB]}


@pytest.mark.parametrize(
    ("vouches", "records", "data", "at", "done"),
    [
        (("sender",), "", [NESTED], "[0].sender", True),
        (("sender",), "", NESTED, "sender", True),
        (("sender",), "", [NESTED], "[0].attachment.sender", False),
        (("sender",), "", NESTED, "attachment.sender", False),
        (("sender",), "", [NESTED], "[0].parts[0].sender", False),
        (("sender",), "", [[NESTED]], "[0][0].sender", False),
        (("sender",), "", {"mails": [NESTED]}, "mails[0].sender", False),
        (("sender",), "mails[]", {"mails": [NESTED], "sender": EVE}, "mails[0].sender", True),
        (("sender",), "mails[]", {"mails": [NESTED], "sender": EVE}, "sender", False),
        (("sender",), "mails[]", {"mails": [NESTED]}, "mails[0].attachment.sender", False),
        (("mails[].sender",), "", {"mails": [NESTED]}, "mails[0].sender", True),
        (("[].sender",), "", [NESTED], "[0].sender", True),
        (("[].sender",), "", [NESTED], "[0].attachment.sender", False),
        (("attachment.sender",), "", [NESTED], "[0].attachment.sender", True),
        (("attachment.sender",), "", [NESTED], "[0].sender", False),
        (("attachment",), "", [NESTED], "[0].attachment.sender", False),
        (("labels",), "", [NESTED], "[0].labels[1]", True),
        (("labels[]",), "", [NESTED], "[0].labels[1]", True),
        (("labels[]",), "", [NESTED], "[0].labels", True),
        (("labels",), "", [NESTED], "[0].labels", True),
        (("labels",), "", [{"labels": [["x", EVE]]}], "[0].labels[0]", False),
        (("parts",), "", [NESTED], "[0].parts[1]", False),
        (("parts[]",), "", [NESTED], "[0].parts[0].sender", False),
        (("parts[].sender",), "", [NESTED], "[0].parts[0].sender", True),
        (("[]",), "", [BOB, EVE], "[1]", True),
        (("[]",), "", [BOB, {"sender": EVE}], "[1].sender", False),
        (("",), "", [NESTED], "[0].sender", False),
        (("a..b", "sender"), "", [NESTED], "[0].sender", True),
        (("sender",), "x..y", [NESTED], "[0].sender", False),
        (("head.sender",), "", [{"head.sender": EVE, "head": {"sender": BOB}}], "[0].head.sender", True),
        (("head.sender",), "", [{"head.sender": EVE, "head": {"sender": BOB}}], '[0]["head.sender"]', False),
        (('["head.sender"]',), "", [{"head.sender": BOB}], '[0]["head.sender"]', True),
    ],
)  # fmt: skip
def test_field_that_a_driver_vouches_for_is_one_place_of_a_record(
    world: KernelWorld, vouches: tuple[str, ...], records: str, data: Any, at: str, done: bool
) -> None:
    root = world_with(world, vouches, records)
    assert sent(world, root, data, {"at": at}) == ("done" if done else "asked"), "the person may mean it"


@pytest.mark.parametrize(
    "text",
    [
        '[{"sender": "bob@x.org", "sender": "eve@evil.com"}]',
        '[{"sender": "bob@x.org", "s\\u0065nder": "eve@evil.com"}]',
        '[{"sender": "bob@x.org", "more": {"a": 1, "a": 2}}]',
    ],
)
def test_result_that_names_a_field_twice_has_no_records(world: KernelWorld, text: str) -> None:
    root = world_with(world, ("sender",))
    assert parsed(text) == text
    assert sent(world, root, text, {"at": "[0].sender"}) == "unknown"
    assert select(Source("t/t", "sender", pick="any"), Document("t/t", {}, text, Label())) == ()


def test_result_with_blanks_and_escapes_that_names_each_field_once_is_read() -> None:
    assert parsed('[ {"sender":"b\\u006fb", "n": 1.50, "same": {"sender": ""}} ]') == [
        {"sender": "bob", "n": 1.5, "same": {"sender": ""}}
    ]


@pytest.mark.parametrize(
    ("source", "data", "good", "bad"),
    [
        (Source("mail/list", "sender", pick="any"), [NESTED], ["[0].sender"], ["[0].attachment.sender"]),
        (Source("mail/list", "sender"), NESTED, ["sender"], ["attachment.sender", "parts[0].sender"]),
        (Source("mail/list", "sender", records="mails[]"), {"mails": [NESTED], "sender": EVE}, ["mails[0].sender"], ["sender"]),
        (Source("mail/list", "sender", where={"id": Rule(one_of=(1,))}), [{"id": 1, "sender": BOB, "in": {"id": 1, "sender": EVE}}], ["[0].sender"], ["[0].in.sender"]),
        (Source("mail/list", "sender", where={"in.id": Rule(one_of=(1,))}), [{"in.id": 1, "sender": EVE}, {"in": {"id": 1}, "sender": BOB}], ["[1].sender"], ["[0].sender"]),
        (Source("mail/list", "to.name"), [{"to.name": EVE, "to": {"name": BOB}}], ["[0].to.name"], ['[0]["to.name"]']),
        (Source("mail/list", '["to.name"]'), [{"to.name": BOB, "to": {"name": EVE}}], ['[0]["to.name"]'], ["[0].to.name"]),
        (Source("mail/list", "sender", pick="most", by="n.n"), [{"sender": EVE, "n.n": 9, "n": {"n": 1}}, {"sender": BOB, "n": {"n": 2}}], ["[1].sender"], ["[0].sender"]),
        (Source("mail/list", "sender", where={"subject": Rule(contains="bill")}), [{"sender": EVE, "subject": []}, {"sender": BOB, "subject": "bill"}], ["[1].sender"], ["[0].sender"]),
    ],
)  # fmt: skip
def test_source_is_one_place_of_a_record(
    world: KernelWorld, source: Source, data: Any, good: list[str], bad: list[str]
) -> None:
    grant = Grant("mail/send", {"to": Rule(source=(source,))}, carries=("*",))
    root = world_with(world, (), "", grant)
    number = kept(world, root, "mail/list", data)
    assert [tried(world, root, "mail/send", to=refer(number, at)) for at in good] == ["done"] * len(good)
    assert [tried(world, root, "mail/send", to=refer(number, at)) for at in bad] == ["grant"] * len(bad)
    picked = select(source, Document("mail/list", {}, msgspec.json.encode(data).decode(), Label()))
    assert [written(one.path) for one in picked] == good


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source("t/t", "a..b"), "no path"),
        (Source("t/t", "a", records="x..y"), "no path"),
        (Source("t/t", "a", where={"b[]": Rule()}), "one field"),
        (Source("t/t", "a", where={"[0].b": Rule()}), "one field"),
        (Source("t/t", "a", pick="most", by="b[]"), "one field"),
        (Source("t/t", "[].a", where={"b": Rule()}), "from the top"),
        (Source("t/t", "[].a", records="x[]"), "from the top"),
        (Source("t/t", "a" + ".a" * 20), "steps"),
    ],
)
def test_source_with_a_path_that_means_nothing_is_refused_in_words(source: Source, says: str) -> None:
    assert says in flaw(Rule(source=(source,)))


@pytest.mark.parametrize("rule", [Rule(one_of=(BOB,)), Rule(prefix="bob"), Rule(kind="email"), Rule(chars_max=9)])
def test_empty_list_is_judged_as_nothing_at_all(world: KernelWorld, rule: Rule) -> None:
    root = guarded(world, Grant("mail/send", {"to": rule}, carries=("*",)))
    assert tried(world, root, "mail/send", to=[]) == "grant"


def test_empty_list_is_allowed_where_nothing_is(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/send", {"to": Rule(one_of=(BOB, None))}, carries=("*",)))
    assert tried(world, root, "mail/send", to=[]) == "done"


def test_list_where_the_tool_wants_one_text_is_refused(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/send", {"subject": Rule(one_of=("a",))}, carries=("*",)))
    for subject in (["a"], [], [["a"]]):
        assert tried(world, root, "mail/send", to=BOB, subject=subject) == "malformed"


def test_source_written_before_records_could_be_named_is_read_as_it_was_meant() -> None:
    old = b'{"tool":"mail/list","field":"sender","where":{"id":{"one_of":[1]}}}'
    assert msgspec.json.decode(old, type=Source) == Source("mail/list", "sender", where={"id": Rule(one_of=(1,))})
    assert msgspec.json.encode(msgspec.json.decode(old, type=Source)) == old


def test_grant_with_a_source_without_a_path_is_refused(world: KernelWorld) -> None:
    root = guarded(world)
    wrong = Grant("mail/send", {"to": Rule(source=(Source("mail/list", "a..b"),))})
    answer = world.ask(root, Fork("x", grants=(*EVERY_SYSCALL, wrong)))
    assert isinstance(answer, Error) and "items[3].sender" in answer.message
