"""Each of them once: a grant that allows each value of an argument once, in the whole tree and in any spelling."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from guarded import guarded, kept, refer, tried
from test_plan_forms import ANN, BOB, CHAT, EVE
from test_references import refusal, start, use
from worlds import EVERY_SYSCALL, KernelWorld, started

from gemot.abi.answers import Error
from gemot.abi.grants import Grant, Rule, Source
from gemot.abi.syscalls import Call, Fork, ToolUse
from gemot.authority.narrowing import grant_within, without_uses
from gemot.authority.once import keys, pool_of, used_up

GUESTS = Rule(source=(Source("mail/list", "guests[]", where={"title": Rule(one_of=("party",))}, pick="any"),))
EACH = Grant("mail/send", {"to": GUESTS}, carries=("*",), once_per="to")
PARTY = [{"title": "party", "guests": [BOB, ANN, "Bob@x.org ", BOB, {"x": EVE}]}, {"title": "other", "guests": [EVE]}]


def inviting(world: KernelWorld, *grants: Grant) -> tuple[int, int]:
    guarded(world)
    world.install(CHAT)
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("mail/list"), *(grants or (EACH,))))
    return root, kept(world, root, "mail/list", PARTY)


def guest(number: int, *members: int) -> Any:
    forms = [refer(number, f"[0].guests[{member}]") for member in members]
    return forms[0] if len(forms) == 1 else forms


def test_each_member_of_a_set_is_written_to_once(world: KernelWorld) -> None:
    root, number = inviting(world)
    for member, answer in (0, "done"), (0, "grant"), (1, "done"), (1, "grant"):
        assert tried(world, root, "mail/send", to=guest(number, member)) == answer
    assert "used already" in refusal(world, root, "mail/send", to=guest(number, 0))
    assert tried(world, root, "mail/send", to=refer(number, "[1].guests[0]")) == "grant", "he is not one of them"


@pytest.mark.parametrize("again", [(2,), (3,), (1, 0), (1, 3), (1, 1), (1, 4)])
def test_value_in_another_place_or_spelling_is_the_same(world: KernelWorld, again: tuple[int, ...]) -> None:
    root, number = inviting(world)
    assert tried(world, root, "mail/send", to=guest(number, 0)) == "done"
    assert tried(world, root, "mail/send", to=guest(number, *again)) in ("grant", "malformed")
    assert tried(world, root, "mail/send", to=guest(number, 1)) == "done"


def test_list_uses_each_of_its_members(world: KernelWorld) -> None:
    root, number = inviting(world)
    assert tried(world, root, "mail/send", to=guest(number, 0, 1)) == "done"
    assert [tried(world, root, "mail/send", to=guest(number, one)) for one in (0, 1)] == ["grant", "grant"]


@pytest.mark.parametrize("to", [None, [], [None]])
def test_nothing_is_not_each_of_them(world: KernelWorld, to: Any) -> None:
    free = Grant("mail/pack", carries=("*",), once_per="files")
    root, _ = inviting(world, free)
    assert tried(world, root, "mail/pack", files=to) in ("grant", "malformed")
    assert tried(world, root, "mail/pack") == "grant"


def test_two_uses_of_one_call_can_not_share_a_value(world: KernelWorld) -> None:
    root, number = inviting(world)
    both = Call(tuple(ToolUse("mail/send", {"to": guest(number, one)}) for one in (0, 3, 1)))
    effects = world.trap(root, both)
    first = start(effects)
    second = start(world.done(first.effect))
    world.done(second.effect)
    assert [first.arguments["to"], second.arguments["to"]] == [BOB, ANN]


def test_children_share_what_each_means(world: KernelWorld) -> None:
    root, number = inviting(world)
    narrower = msgspec.structs.replace(EACH, pool="mine", where={"to": msgspec.structs.replace(GUESTS, chars_max=40)})
    one, two = (world.born(root, Fork("x", grants=(grant, Grant("fork")))) for grant in (EACH, narrower))
    below = world.born(two, Fork("y", grants=(narrower,)))
    assert tried(world, one, "mail/send", to=guest(number, 0)) == "done"
    assert [tried(world, pid, "mail/send", to=guest(number, 3)) for pid in (root, one, two, below)] == ["grant"] * 4
    assert tried(world, below, "mail/send", to=guest(number, 1)) == "done"
    assert [tried(world, pid, "mail/send", to=guest(number, 1)) for pid in (root, one, two)] == ["grant"] * 3
    answer = world.ask(root, Fork("x", grants=(msgspec.structs.replace(EACH, once_per=""),)))
    assert isinstance(answer, Error) and "each to once" in answer.message


def test_what_a_person_refused_was_not_used(world: KernelWorld) -> None:
    asks = Grant("mail/send", carries=("*",), once_per="to", otherwise="ask", where={"subject": Rule(one_of=("x",))})
    root, _ = inviting(world, asks)
    assert tried(world, root, "mail/send", to=BOB, subject="y") == "asked"
    assert tried(world, root, "mail/send", to=BOB, subject="y") == "asked"
    effects = world.trap(root, use("mail/send", to=BOB, subject="y"))
    (ask,) = world.kernel.asks
    (effect,) = started(world.answer(ask, allow=True)) or started(effects)
    world.done(effect)
    assert tried(world, root, "mail/send", to=BOB, subject="x") == "asked", "a second time is for the person to see"
    assert tried(world, root, "mail/send", to=BOB, subject="x") == "asked"


@pytest.mark.parametrize("grant", [Grant("spawn", once_per="brief"), Grant("mail/send", once_per="who"), Grant("mail/*", once_per="to")])  # fmt: skip
def test_each_of_an_argument_that_is_none_is_refused(world: KernelWorld, grant: Grant) -> None:
    answer = world.ask(guarded(world), Fork("x", grants=(grant,)))
    assert isinstance(answer, Error) and "once_per" in answer.message


def test_fork_that_a_person_makes_has_none_of_them_left() -> None:
    assert without_uses(EACH).uses == 0 and without_uses(Grant("a/b")).uses is None


def test_grant_that_begins_no_pool_names_none(world: KernelWorld) -> None:
    root = guarded(world, Grant("*", carries=("*",)))
    child = world.born(root, Fork("x", grants=(Grant("mail/send", pool="mine"), EACH)))
    plain, each = world.kernel.processes[child].grants
    assert plain.pool == "" and len(each.pool) == 32
    free = Grant("mail/send", carries=("*",))
    assert not grant_within(free, EACH) and grant_within(EACH, free)
    assert not grant_within(EACH, msgspec.structs.replace(EACH, once_per="subject"))
    assert keys("4") == keys(4.0) != keys(True) and keys([["a"]]) == keys(None) == keys({"a": 1}) == ()


def test_grants_share_a_pool_where_they_say_the_same_each_and_only_there() -> None:
    rules = {"to": Rule(prefix="a"), "subject": Rule(one_of=("x",))}
    grant = Grant("mail/send", rules, once_per="to")
    same = Grant("mail/send", dict(reversed(rules.items())), once_per="to", uses=3, carries=("*",))
    assert pool_of(same) == pool_of(grant) and len(pool_of(grant)) == 32
    changes = {"tool": "mail/pack", "once_per": "subject", "where": {"to": Rule(prefix="a")}}
    pools = {pool_of(msgspec.structs.replace(grant, **{name: value})) for name, value in changes.items()}
    assert len(pools | {pool_of(grant)}) == 4


@pytest.mark.parametrize("value", [None, [None], ["a", None], {"a": 1}, ["a", {"b": 1}], ["a", ["b"]], ["a", ("b",)]])
def test_value_with_nothing_or_with_parts_in_it_has_no_key(value: Any) -> None:
    assert keys(value) == ()


def test_value_has_one_key_however_it_is_listed() -> None:
    assert keys("a") == keys(["a"]) == keys(("a",)) and [len(key) for key in keys(["a", "b"])] == [32, 32]
    assert keys([]) == keys(()) == () and keys(["a", "b"]) == keys(("a", "b")) == keys("a") + keys("b")


@pytest.mark.parametrize(
    ("value", "spent", "why"),
    [
        ("a", None, "not counted here"),
        ("a", {}, ""),
        ("a", {"p": keys("b"), "q": keys("a")}, ""),
        ("a", {"p": keys("a")}, "used already"),
        (["b", "a"], {"p": keys("a")}, "used already"),
        (["b", "B "], {}, "stands in it twice"),
        (None, {}, "must be given"),
    ],
)
def test_grant_says_why_it_allows_a_value_no_more(value: Any, spent: Any, why: str) -> None:
    said = used_up(Grant("mail/send", once_per="to", pool="p"), {"to": value}, spent)
    assert why in said and bool(said) is bool(why)
