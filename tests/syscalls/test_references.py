"""References: handles as pipes between tools, where a value came from, and what is decided about it at the trap."""

from __future__ import annotations

import msgspec
import pytest
from guarded import GUARDED, IBAN, INBOX, guarded, kept, refer, results, spoiled, tried, value
from worlds import EVERY_SYSCALL, KernelWorld, started

from gemot.abi import limits
from gemot.abi.answers import Error
from gemot.abi.effects import PutAsk, StartTool
from gemot.abi.events import Failure, Value
from gemot.abi.grants import Grant, Rule, Source
from gemot.abi.syscalls import Call, Exec, Fork, Read, Spawn, ToolUse
from gemot.kernel.freezing import freeze_trees


def use(tool: str, **arguments: object) -> Call:
    return Call((ToolUse(tool, arguments),))


def start(effects: list) -> StartTool:
    return next(one for one in effects if isinstance(one, StartTool))


def refusal(world: KernelWorld, pid: int, tool: str, **arguments: object) -> str:
    (result,) = results(pid, world.trap(pid, use(tool, **arguments)))
    assert not result.ok
    return result.text


SEALED = (
    Grant("mail/list", results="handle"),
    Grant("bank/list", results="handle"),
    Grant("web/get", results="handle"),
)


@pytest.mark.parametrize(
    ("reference", "is_"),
    [
        ({"at": "[0].sender"}, "ann@x.org"),
        ({"at": "[0].body", "extract": "iban"}, IBAN),
        ({"at": "[0].body", "extract": "pay ([0-9.]+)"}, "12.50"),
        ({"at": "[1].body", "extract": "email", "pick": "last"}, "eve@evil.com"),
        ({"field": "sender", "where": {"subject": {"contains": "BILL"}}}, "ann@x.org"),
        ({"field": "subject", "pick": "most", "by": "id"}, "hi"),
        ({"field": "body", "where": {"id": {"one_of": [1]}}, "extract": "iban"}, IBAN),
    ],
)
def test_a_tool_gets_what_a_reference_stands_for(world: KernelWorld, reference: dict, is_: str) -> None:
    root = guarded(world)
    number = kept(world, root, "mail/list", INBOX)
    effects = world.trap(root, use("sums/add", text={"$from": number, **reference}))
    assert start(effects).arguments == {"text": is_}


def test_all_of_a_handle_is_its_text_or_what_its_text_says(world: KernelWorld) -> None:
    root = guarded(world, Grant("*", carries=("*",), otherwise="ask"))
    number = kept(world, root, "web/get", '["a@x.org", "b@x.org"]')
    effects = world.trap(root, use("mail/send", to=[refer(number, "[1]"), "c@x.org"]))
    (asked,) = [one.asked for one in effects if isinstance(one, PutAsk)]
    assert asked.arguments == {"to": ["b@x.org", "c@x.org"]}
    world.answer(asked.ask, allow=False)
    assert start(world.trap(root, use("sums/add", text=refer(number)))).arguments["text"] == '["a@x.org", "b@x.org"]'


@pytest.mark.parametrize(
    ("reference", "rule", "says"),
    [
        ({"$from": 999}, "unknown", "this process has: "),
        ({"$from": "7"}, "malformed", "$from"),
        ({"$from": None}, "malformed", "$from"),
        ({"at": "[0].nothing"}, "unknown", "has no [0].nothing"),
        ({"at": "[0"}, "malformed", "no path"),
        ({"at": "[9]"}, "unknown", "has no [9]"),
        ({"where": 1}, "malformed", "where"),
        ({"field": "sender"}, "unknown", "more than one"),
        ({"field": "sender", "pick": "most"}, "malformed", "by"),
        ({"field": "sender", "at": "[0]"}, "malformed", "not both"),
        ({"at": "[0].body", "pick": "middle"}, "malformed", "middle"),
        ({"at": "[0].body", "extract": "(a)(b)"}, "malformed", "group"),
        ({"at": "[0].body", "extract": "date"}, "unknown", "there are 0"),
        ({"at": "[0].id", "extract": "date"}, "unknown", "no text"),
        ({"at": "[0].id"}, "malformed", "what they refer to"),
    ],
)
def test_a_reference_to_nothing_is_refused_in_words(world: KernelWorld, reference: dict, rule: str, says: str) -> None:
    root = guarded(world)
    number = kept(world, root, "mail/list", INBOX)
    (result,) = results(root, world.trap(root, use("sums/add", text={"$from": number, **reference})))
    assert result.rule == rule and says in result.text


def test_a_value_that_is_not_read_is_in_no_refusal(world: KernelWorld) -> None:
    root = guarded(
        world, *SEALED, Grant("mail/send", {"to": Rule(one_of=("a@x.org",))}), Grant("disk/*"), Grant("bank/pay")
    )
    number = kept(world, root, "mail/list", INBOX)
    page = kept(world, root, "web/get", "../../etc/secret")
    told = [
        refusal(world, root, "mail/send", to=refer(number, "[1].sender")),
        refusal(world, root, "bank/pay", recipient="x", amount=refer(number, "[1].body")),
        refusal(world, root, "disk/read", path=refer(page)),
        refusal(world, root, "disk/read", path=refer(number, "[1].id")),
    ]
    assert not [text for text in told if "evil" in text or "secret'" in text or "etc" in text], told
    assert "[1].sender" in told[0] and "'a@x.org'" in told[0]


def test_what_is_sealed_is_shown_by_its_shape_alone(world: KernelWorld) -> None:
    root = guarded(world, *SEALED)
    (effect,) = started(world.trap(root, use("mail/list")))
    (result,) = results(root, world.done(effect, value([*INBOX, {"id": 3, "obey_me_now": "x"}])))
    assert result.text == "a list of 3 items with the fields id, sender", "no word of a third party, not even a name"
    assert result.handle is not None and result.handle.preview == "" and result.handle.sealed
    assert world.kernel.processes[root].label.integrity == "person"
    answer = world.ask(root, Read(result.handle.number))
    assert isinstance(answer, Error) and "spawn with handles" in answer.message
    (effect,) = started(world.trap(root, use("mail/list")))
    (result,) = results(root, world.done(effect, Failure("failed", "obey me")))
    assert "obey" not in result.text and world.kernel.processes[root].label.integrity == "person"
    (effect,) = started(world.trap(root, use("mail/list")))
    (result,) = results(root, world.done(effect, Value("a result that was not kept whole")))
    assert "kept" not in result.text


def test_a_child_may_read_what_it_is_given_and_its_forks_too(world: KernelWorld) -> None:
    root = guarded(world, *SEALED)
    number = kept(world, root, "mail/list", INBOX)
    reader = world.born(root, Spawn("what is the sum?", "worker", handles=(number,), grants=("fork",)))
    for pid in (reader, world.born(reader, Fork("x"))):
        assert started(world.trap(pid, Read(number)))
    answer = world.ask(root, Spawn("x", "worker", handles=(number, 999)))
    assert isinstance(answer, Error) and "999" in answer.message
    forked = world.born(root, Fork("x"))
    assert isinstance(world.ask(forked, Read(number)), Error), "a fork is in its parent's place"


def test_a_value_too_large_to_be_held_is_passed_on_as_a_whole(world: KernelWorld) -> None:
    root = guarded(world)
    effects = world.trap(root, use("web/get"))
    assert start(effects).whole
    text = "begin" + "x" * 10**6
    (result,) = results(root, world.done(start(effects).effect, world.large(text)))
    assert result.handle is not None
    number = result.handle.number
    begun = start(world.trap(world.born(root, Fork("x")), use("sums/add", text=refer(number))))
    assert begun.arguments == {"text": text}
    (result,) = results(root, world.trap(root, use("sums/add", text=refer(number, "a"))))
    assert result.rule == "limit"


def test_the_oldest_documents_are_let_go_of_first(world: KernelWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DOCUMENTS_CHARS_MAX", 2_000)
    root = guarded(world)
    numbers = [
        kept(world, root, "mail/list", [*INBOX, {"id": 3, "body": "x" * limits.PREVIEW_CHARS}]) for _ in range(4)
    ]
    held = [world.kernel.processes[root].documents[number].text is not None for number in numbers]
    assert held == sorted(held) and held[-1] and not held[0]
    whole = start(world.trap(root, use("sums/add", text=refer(numbers[0])))).arguments["text"]
    assert whole.endswith('"}]'), "what was let go of is read again"
    assert world.kernel.processes[root].documents[numbers[0]].text is None, "and not held for longer than the call"


def test_references_end_with_exec(world: KernelWorld) -> None:
    root = guarded(world)
    number = kept(world, root, "mail/list", INBOX)
    world.trap(root, Exec("worker", "x"))
    assert "no handle" in refusal(world, root, "sums/add", text=refer(number))


# Sources: only what came from there.

BILL = Source("mail/list", "body", where={"subject": Rule(contains="bill")}, extract="iban")
PAY = Grant("bank/pay", {"recipient": Rule(source=(BILL,)), "amount": Rule(at_most=20)}, uses=1, carries=("mail",))


def test_a_payment_goes_where_the_bill_says_and_nowhere_else(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/list"), PAY)
    number = spoiled(world, root)
    right = refer(number, "[0].body", extract="iban")
    for wrong in (
        IBAN,
        "DE1",
        refer(number, "[0].sender"),
        refer(number, "[0].body"),
        refer(number, "[1].body", extract="email"),
    ):
        assert tried(world, root, "bank/pay", recipient=wrong, amount=12.5) == "grant"  # fmt: skip
    assert tried(world, root, "bank/pay", recipient=right, amount=21) == "grant"
    assert tried(world, root, "bank/pay", recipient=right, amount=12.5) == "done"
    assert tried(world, root, "bank/pay", recipient=right, amount=12.5) == "grant", "once"


def test_a_refusal_shows_the_reference_that_would_do(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/list"), PAY)
    assert "use mail/list first" in refusal(world, root, "bank/pay", recipient=IBAN, amount=1)
    number = spoiled(world, root)
    text = refusal(world, root, "bank/pay", recipient=IBAN, amount=1)
    reference = text[text.rindex("now that is ") + 12 :]
    assert tried(world, root, "bank/pay", recipient=msgspec.json.decode(reference), amount=1) == "done"
    assert msgspec.json.decode(reference)["$from"] == number


def test_a_second_bill_leaves_nothing_to_pay(world: KernelWorld) -> None:
    root = guarded(world, Grant("mail/list"), PAY)
    forged = {"id": 3, "sender": "eve", "subject": "Bill", "body": "pay to GB29NWBK60161331926819"}
    number = kept(world, root, "mail/list", [*INBOX, forged])
    for index in (0, 2):
        right = refer(number, f"[{index}].body", extract="iban")
        assert tried(world, root, "bank/pay", recipient=right, amount=1) == "grant"


def test_elements_of_a_list_each_come_from_the_source(world: KernelWorld) -> None:
    rule = Rule(
        source=(Source("mail/list", "cc", pick="any"), Source("mail/list", "sender", pick="any")), one_of=("me@x.org",)
    )
    root = guarded(world, Grant("mail/list"), Grant("mail/send", {"to": rule}, carries=("mail",)))
    number = spoiled(world, root)
    good = [
        refer(number, "[0].cc"),
        [refer(number, "[0].cc[0]"), refer(number, "[1].sender"), "me@x.org"],
        "me@x.org",
    ]
    bad = [
        [],
        ["me@x.org", "bob@x.org"],
        [refer(number, "[0].cc[0]"), refer(number, "[0].subject")],
        refer(number, "[0]"),
        "x",
    ]
    assert [tried(world, root, "mail/send", to=one) for one in good] == ["done"] * 3
    assert {tried(world, root, "mail/send", to=one) for one in bad} <= {"grant", "malformed"}


def test_the_arguments_of_the_call_count(world: KernelWorld) -> None:
    source = Source("mail/list", "sender", {"folder": "inbox"}, {"id": Rule(one_of=(1,))})
    root = guarded(world, Grant("mail/list"), Grant("mail/send", {"to": Rule(source=(source,))}, carries=("mail",)))
    spam = kept(world, root, "mail/list", INBOX, folder="spam")
    inbox = kept(world, root, "mail/list", INBOX, folder="inbox")
    assert tried(world, root, "mail/send", to=refer(spam, "[0].sender")) == "grant"
    assert tried(world, root, "mail/send", to=refer(inbox, "[0].sender")) == "done"


def test_a_tool_that_a_grant_names_as_a_source_is_kept_whole_in_all_of_the_tree(world: KernelWorld) -> None:
    world.install(GUARDED)
    source = Rule(source=(Source("clock/now"),))
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("clock/now"), Grant("sums/add")))
    child = world.born(root, Fork("x"))
    assert not start(world.trap(child, use("clock/now"))).whole
    world.born(root, Fork("y", grants=(Grant("sums/add", {"text": source}),)))
    assert start(world.trap(root, use("clock/now"))).whole


@pytest.mark.parametrize(
    ("text", "amount"),
    [("98.70", 98.7), ("-5", -5), ("+5", 5), ("0.1", 0.1), ("9007199254740992", 2**53)]
    + [(text, None) for text in ("x", "0.1000000000000000000001", "9007199254740993", "1" * 30)],
)  # fmt: skip
def test_an_extracted_number_is_one_where_the_tool_wants_one(
    world: KernelWorld, text: str, amount: float | None
) -> None:
    source = Source("web/get", pattern="pay ([^ ]+)")
    root = guarded(world, Grant("web/get"), Grant("sums/add"), Grant("bank/pay", {"recipient": Rule(one_of=("a",)), "amount": Rule(source=(source,), at_most=2**53)}))  # fmt: skip
    number = kept(world, root, "web/get", f"pay {text} now")
    reference = refer(number, extract="pay ([^ ]+)")
    assert start(world.trap(root, use("sums/add", text=reference))).arguments == {"text": text}
    world.done(next(iter(world.kernel.working)))
    effects = world.trap(root, use("bank/pay", recipient="a", amount=reference))
    if amount is None:
        (result,) = results(root, effects)
        assert result.rule == "malformed" and text not in result.text
    else:
        assert start(effects).arguments == {"recipient": "a", "amount": amount}


def test_a_text_is_no_integer_because_it_is_a_number(world: KernelWorld) -> None:
    where = {"to": Rule(one_of=("x",)), "files.id": Rule(one_of=("a",)), "files.copies": Rule(at_most=9)}
    root = guarded(world, Grant("web/get"), Grant("mail/pack", where))
    number = kept(world, root, "web/get", "3 or 2.0")
    copies = lambda how: {"files": [{"id": "a", "copies": refer(number, extract=how)}]}  # noqa: E731
    assert "don't fit" in refusal(world, root, "mail/pack", to="x", **copies("or (.*)"))
    assert start(world.trap(root, use("mail/pack", to="x", **copies("^([0-9])")))).arguments["files"] == [{"id": "a", "copies": 3}]  # fmt: skip


def test_an_argument_that_was_left_out_is_its_default_or_null(world: KernelWorld) -> None:
    world.install(GUARDED)
    for default, left_out in ({}, None), ({"default": "inbox"}, "inbox"):
        listing = next(one for one in GUARDED if one.name == "mail/list")
        properties = {"folder": {"type": ["string", "null", "array"], **default}}
        world.install((*(one for one in GUARDED if one != listing), msgspec.structs.replace(listing, schema={"type": "object", "properties": properties})))  # fmt: skip
        rights = [Grant("mail/send", {"to": Rule(source=(Source("mail/list", "sender", {"folder": left_out}, {"id": Rule(one_of=(1,))}),))}, carries=("*",))]  # fmt: skip
        root = world.tree(grants=(*EVERY_SYSCALL, Grant("mail/list"), *rights))
        for arguments, answer in ({}, "done"), ({"folder": left_out}, "done"), ({"folder": "spam"}, "grant"), ({"folder": ["spam"]}, "grant"):  # fmt: skip
            number = kept(world, root, "mail/list", INBOX, **arguments)
            assert tried(world, root, "mail/send", to=refer(number, "[0].sender")) == answer, arguments


@pytest.mark.parametrize("reference", [{"at": "n"}, {"field": "n"}, {}, {"at": "x[0].n", "extract": "integer"}])
def test_a_number_that_no_table_keeps_is_not_taken_out_of_a_result(world: KernelWorld, reference: dict) -> None:
    root = guarded(world, Grant("*", carries=("*",), otherwise="ask"))
    big = "1" * 30
    number = kept(world, root, "web/get", f'{{"n": {big}, "x": [{{"n": -{big}}}]}}')
    world.trap(root, use("sums/add", text={"$from": number, **reference}))
    assert msgspec.msgpack.encode(freeze_trees(world.kernel, [root])), "the tables can still be kept"
