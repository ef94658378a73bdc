"""What plans can say: the most common value, words with values in them, a member of a list, the argument of a call.

Each form has an attack beside it that must not get through.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from guarded import GUARDED, guarded, kept, refer, tried
from hypothesis import given, settings
from hypothesis import strategies as some
from test_references import refusal, start, use
from test_rules import rules
from worlds import EVERY_SYSCALL, KernelWorld

from gemot.abi.answers import Error
from gemot.abi.grants import Grant, Rule, Source, Template
from gemot.abi.labels import Label
from gemot.abi.syscalls import Fork
from gemot.abi.tools import ToolSpec
from gemot.authority.documents import chosen
from gemot.authority.references import Composed, Filling
from gemot.authority.rules import bounds, fits, flaw, in_words, rule_within, source_within
from gemot.authority.templates import composed

BOB, EVE, ANN = "bob@x.org", "eve@evil.com", "ann@x.org"
_TEXT = {"type": "string"}
CHAT = (
    *GUARDED,
    ToolSpec("chat/channels", "Names.", {"type": "object", "properties": {}}, "reads", True, foreign=True, secret="chat"),
    ToolSpec("chat/read", "Messages.", {"type": "object", "properties": {"channel": _TEXT, "day": _TEXT}}, "reads", True, foreign=True, secret="chat"),
    ToolSpec("chat/of", "Messages of somebody.", {"type": "object", "properties": {"user": _TEXT}}, "reads", True, foreign=True),
)  # fmt: skip


def chatting(world: KernelWorld, rule: Rule, name: str = "to", **more: Any) -> int:
    """A process that may read all of a chat, and send a letter under one rule, else to Bob."""
    guarded(world)
    world.install(CHAT)
    reads = (Grant("chat/channels"), Grant("chat/read"), Grant("chat/of"), Grant("mail/list"))
    return world.tree(
        grants=(
            *EVERY_SYSCALL,
            *reads,
            Grant("mail/send", {"to": Rule(one_of=(BOB,)), name: rule}, carries=("*",), **more),
        )
    )


def said(*senders: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"id": number, "sender": sender, "text": f"message {number}", **more} for number, sender in enumerate(senders)
    ]


def shown(world: KernelWorld, root: int) -> dict[str, Any]:
    """The reference that a refusal shows."""
    text = refusal(world, root, "mail/send", to="nobody", subject="x")
    return msgspec.json.decode(text[text.rindex("now that is ") + 12 :])


# The value that stands there most often.

ALL = Rule(source=(Source("chat/channels", "[]", pick="any"),))
BUSIEST = Source("chat/read", "sender", pick="most_common", over={"channel": ALL})


def test_sender_of_most_messages_is_counted_over_all_results(world: KernelWorld) -> None:
    root = chatting(world, Rule(source=(BUSIEST,)))
    kept(world, root, "chat/channels", ["a", "b"])
    one = kept(world, root, "chat/read", said(EVE, EVE, BOB), channel="a")
    assert tried(world, root, "mail/send", to=refer(one, "[0].sender")) == "grant", "one result is missing"
    two = kept(world, root, "chat/read", said(BOB, BOB), channel="b")
    assert tried(world, root, "mail/send", to=refer(one, "[0].sender")) == "grant"
    assert tried(world, root, "mail/send", to=refer(one, "[2].sender")) == "done"
    assert tried(world, root, "mail/send", to=refer(two, "[0].sender")) == "done"
    assert tried(world, root, "mail/send", to=BOB) == "grant", "the same text from nowhere"
    reference = shown(world, root)
    assert reference["pick"] == "most_common" and "channel" in reference["over"]
    assert start(world.trap(root, use("mail/send", to=reference))).arguments["to"] == BOB


@pytest.mark.parametrize(
    ("one", "two", "picked"),
    [
        (said(BOB, BOB, EVE), said(ANN), BOB),
        (said(BOB, EVE), said(), None),
        (said(BOB, BOB), [{"sender": "x", "thread": said(EVE, EVE, EVE)}], BOB),
        (said(BOB, BOB), [{"thread": {"sender": EVE}}, {"quoted": [{"sender": EVE}, {"sender": EVE}]}], BOB),
        (said(BOB, BOB, BOB), said(EVE, EVE, "Eve@evil.com"), None),
        (said(BOB, BOB, BOB), said("eve@evil.com ", "\uff45ve@evil.com"), None),
        (said(BOB, BOB), [{"sender": [EVE, EVE, EVE]}], None),
        (said(BOB, BOB), [{"sender": {"sender": EVE}}], None),
        (said(BOB), '[{"sender": "eve@evil.com", "sender": "eve@evil.com"}]', BOB),
        (said(BOB), f"{EVE} {EVE} {EVE}", BOB),
        (said(), said(), None),
    ],
)
def test_what_is_counted_is_one_field_of_each_record(
    world: KernelWorld, one: Any, two: Any, picked: str | None
) -> None:
    root = chatting(world, Rule(source=(BUSIEST,)))
    channels = kept(world, root, "chat/channels", ["a", "b"])
    first = kept(world, root, "chat/read", one, channel="a")
    second = kept(world, root, "chat/read", two, channel="b")
    for number, data in (first, one), (second, two):
        for index, record in enumerate(data if isinstance(data, list) else ()):
            answer = tried(world, root, "mail/send", to=refer(number, f"[{index}].sender"))
            expected = (
                "done" if picked is not None and record.get("sender") == picked else ("grant", "unknown", "malformed")
            )
            assert answer in expected, record
    assert tried(world, root, "mail/send", to=refer(channels, "[0]")) == "grant"


def test_result_of_a_call_that_the_plan_does_not_name_counts_for_nothing(world: KernelWorld) -> None:
    source = msgspec.structs.replace(BUSIEST, called={"day": "monday"}, over={"channel": Rule(one_of=("a", "b"))})
    root = chatting(world, Rule(source=(source,)))
    one = kept(world, root, "chat/read", said(BOB, BOB), channel="a", day="monday")
    kept(world, root, "chat/read", said(EVE), channel="b", day="monday")
    other = kept(world, root, "chat/read", said(EVE, EVE, EVE), channel="spam", day="monday")
    kept(world, root, "chat/read", said(EVE, EVE, EVE), channel="a", day="tuesday")
    assert tried(world, root, "mail/send", to=refer(other, "[0].sender")) == "grant"
    assert tried(world, root, "mail/send", to=refer(one, "[0].sender")) == "done"
    again = kept(world, root, "chat/read", said(BOB, BOB), channel="a", day="monday")
    assert tried(world, root, "mail/send", to=refer(one, "[0].sender")) == "grant", "the newest result counts, once"
    assert tried(world, root, "mail/send", to=refer(again, "[0].sender")) == "done"


def test_channel_with_the_most_messages_is_the_argument_of_its_call(world: KernelWorld) -> None:
    most = Source("chat/read", "id", pick="most_common", argument="channel", over={"channel": ALL})
    few = msgspec.structs.replace(most, pick="least_common")
    root = chatting(world, Rule(source=(most,)))
    kept(world, root, "chat/channels", ["a", "b", "c"])
    a = kept(world, root, "chat/read", said(EVE, EVE), channel="a")
    b = kept(world, root, "chat/read", said(BOB, BOB, BOB), channel="b")
    c = kept(world, root, "chat/read", [], channel="c")
    answers = {one: tried(world, root, "mail/send", to={"$from": one, "argument": "channel"}) for one in (a, b)}
    assert answers == {a: "grant", b: "done"}
    documents = world.kernel.processes[root].documents
    assert [one.value for one in chosen(few, documents, c)] == ["c"], "nothing is the fewest"


@pytest.mark.parametrize("channels", [["a", "A"], [], {"a": 1}, [{"a": 1}], "a", [str(one) for one in range(65)]])
def test_range_that_is_no_list_of_different_values_picks_nothing(world: KernelWorld, channels: Any) -> None:
    root = chatting(world, Rule(source=(BUSIEST,)))
    kept(world, root, "chat/channels", channels)
    names = [one for one in channels if isinstance(one, str)] if isinstance(channels, list) else ["a"]
    numbers = [kept(world, root, "chat/read", said(EVE), channel=name) for name in names[:66] or ["a"]]
    assert tried(world, root, "mail/send", to=refer(numbers[0], "[0].sender")) == "grant"


# The argument of the call in whose result a value stands.

WHO = Source("chat/of", "text", value=Rule(contains="lunch"), argument="user", over={"user": Rule(one_of=(ANN, BOB))})


def test_argument_of_the_call_in_whose_result_a_text_stands(world: KernelWorld) -> None:
    root = chatting(world, Rule(source=(WHO,)))
    ann = kept(world, root, "chat/of", [{"text": "hi"}], user=ANN)
    bob = kept(world, root, "chat/of", [{"text": "Lunch at noon?"}], user=BOB)
    eve = kept(world, root, "chat/of", [{"text": "lunch"}], user=EVE)
    for number, answer in (ann, "grant"), (eve, "grant"), (bob, "done"):
        assert tried(world, root, "mail/send", to={"$from": number, "argument": "user"}) == answer
    assert tried(world, root, "mail/send", to=BOB) == "grant"
    assert tried(world, root, "mail/send", to={"$from": bob, "argument": "nothing"}) == "malformed"
    assert tried(world, root, "mail/send", to=refer(bob, "[0].text")) == "grant"
    assert start(world.trap(root, use("mail/send", to=shown(world, root)))).arguments["to"] == BOB


def test_wanted_text_in_two_results_picks_neither(world: KernelWorld) -> None:
    root = chatting(world, Rule(source=(WHO,)))
    numbers = [kept(world, root, "chat/of", [{"text": "lunch"}], user=one) for one in (ANN, BOB)]
    assert {tried(world, root, "mail/send", to={"$from": one, "argument": "user"}) for one in numbers} == {"grant"}


@pytest.mark.parametrize(
    "data", [[{"quoted": {"text": "lunch"}}], ["lunch"], "lunch", {"more": [{"text": "lunch"}]}, []]
)
def test_wanted_text_elsewhere_in_a_result_is_not_there(world: KernelWorld, data: Any) -> None:
    root = chatting(world, Rule(source=(WHO,)))
    kept(world, root, "chat/of", [{"text": "hi"}], user=ANN)
    bob = kept(world, root, "chat/of", data, user=BOB)
    assert tried(world, root, "mail/send", to={"$from": bob, "argument": "user"}) == "grant"


def test_argument_of_another_tools_call_is_refused(world: KernelWorld) -> None:
    root = chatting(world, Rule(source=(WHO,)))
    kept(world, root, "chat/of", [{"text": "hi"}], user=ANN)
    kept(world, root, "chat/of", [{"text": "lunch"}], user=BOB)
    other = kept(world, root, "chat/read", [{"text": "lunch"}], channel=EVE)
    for name in ("user", "channel"):
        assert tried(world, root, "mail/send", to={"$from": other, "argument": name}) in ("grant", "malformed")


def test_argument_of_a_call_bears_the_label_of_its_result(world: KernelWorld) -> None:
    guarded(world)
    world.install(CHAT)
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("chat/of"), Grant("mail/send", carries=("*",), endorsed=True)))
    number = kept(world, root, "chat/of", [{"text": "x"}], user=EVE)
    assert tried(world, root, "mail/send", to={"$from": number, "argument": "user"}) in ("steering", "asked")


# One member of a list.

INVITED = [
    {"title": "party", "guests": [BOB, EVE, "bob@x.org.evil.com"]},
    {"title": "other", "guests": [ANN]},
]


@pytest.mark.parametrize(
    ("source", "good"),
    [
        (Source("mail/list", "guests[0]", where={"title": Rule(one_of=("party",))}), ["[0].guests[0]"]),
        (Source("mail/list", "guests[]", where={"title": Rule(one_of=("party",))}, pick="first"), ["[0].guests[0]"]),
        (Source("mail/list", "guests[]", where={"title": Rule(one_of=("party",))}, pick="last"), ["[0].guests[2]"]),
        (Source("mail/list", "guests[]", value=Rule(one_of=(BOB,)), pick="any"), ["[0].guests[0]"]),
        (Source("mail/list", "guests[]", value=Rule(prefix="bob@")), []),
        (Source("mail/list", "guests[]", value=Rule(prefix="ann")), ["[1].guests[0]"]),
        (Source("mail/list", "guests[]", value=Rule(contains="evil.com"), where={"title": Rule(one_of=("other",))}), []),
        (Source("mail/list", "guests[9]"), []),
    ],
)  # fmt: skip
def test_member_of_a_list_is_picked_by_position_or_condition(
    world: KernelWorld, source: Source, good: list[str]
) -> None:
    root = chatting(world, Rule(source=(source,)))
    number = kept(world, root, "mail/list", INVITED)
    places = [
        f"[{one}].guests[{member}]" for one, record in enumerate(INVITED) for member in range(len(record["guests"]))
    ]
    assert [at for at in places if tried(world, root, "mail/send", to=refer(number, at)) == "done"] == good
    assert tried(world, root, "mail/send", to=refer(number, "[0].guests")) == "grant", "all of them are not one"
    if good:
        assert start(world.trap(root, use("mail/send", to=shown(world, root))))


def test_member_of_a_list_at_the_top_is_picked(world: KernelWorld) -> None:
    source = Source("chat/channels", "[]", value=Rule(prefix="team-"))
    root = chatting(world, Rule(source=(source,)))
    number = kept(world, root, "chat/channels", ["x", "team-a", {"team-b": 1}, ["team-c"]])
    assert [tried(world, root, "mail/send", to=refer(number, f"[{one}]")) for one in range(2)] == ["grant", "done"]
    assert tried(world, root, "mail/send", to=refer(number, "[3][0]")) == "grant"


# Fixed words with values in them.

PLACE = Rule(source=(Source("mail/list", "place", where={"id": Rule(one_of=(1,))}),), chars_max=40)
DINNER = Rule(template=Template("Dinner at {place} for {count}", {"place": PLACE, "count": Rule(at_most=4)}))
PLACES = [{"id": 1, "place": "Chez {count} {{Léa}}"}, {"id": 2, "place": "Evil"}, {"id": 1.5, "place": "Two\nlines"}]


def dinner(
    number: int, at: str = "[0].place", text: str = "Dinner at {place} for {count}", **values: Any
) -> dict[str, Any]:
    return {"$text": text, "with": {"place": refer(number, at), "count": 2, **values}}


def test_words_are_fixed_and_values_come_from_where_the_plan_says(world: KernelWorld) -> None:
    root = chatting(world, DINNER, "subject")
    number = kept(world, root, "mail/list", PLACES)
    effects = world.trap(root, use("mail/send", to=BOB, subject=dinner(number)))
    assert start(effects).arguments["subject"] == "Dinner at Chez {count} {{Léa}} for 2", (
        "braces in a value are no names"
    )
    world.done(start(effects).effect)
    text = refusal(world, root, "mail/send", to=BOB, subject="x")
    reference = msgspec.json.decode(text[text.rindex("now that is ") + 12 :])
    reference["with"]["count"] = 3
    assert start(world.trap(root, use("mail/send", to=BOB, subject=reference)))


@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        ("Dinner at Chez {count} {{Léa}} for 2", "grant"),
        (dinner(0, "[1].place"), "grant"),
        (dinner(0, text="Lunch at {place} for {count}"), "grant"),
        (dinner(0, text="Dinner at {place} for {count}!"), "grant"),
        (dinner(0, text="Dinner at {place} for 2"), "malformed"),
        (dinner(0, count=9), "grant"),
        (dinner(0, place="Chez {count} {{Léa}}"), "grant"),
        (dinner(0, more=1), "malformed"),
        (dinner(0, "[2].place"), "malformed"),
        (dinner(0, count=True), "malformed"),
        (dinner(0, count=None), "malformed"),
        (dinner(0, count=[2]), "malformed"),
        (dinner(0, place={"$text": "Chez {count} {{Léa}}"}), "malformed"),
        (dinner(0, text="{place"), "malformed"),
        ({"$text": 1}, "malformed"),
        ({"$text": "Dinner at x for 2"}, "grant"),
        ({"$text": "x", "more": 1}, "malformed"),
        ({"$text": "Dinner at {place} for {count}"}, "malformed"),
    ],
)  # fmt: skip
def test_other_words_or_values_are_refused(world: KernelWorld, subject: Any, rule: str) -> None:
    root = chatting(world, DINNER, "subject")
    number = kept(world, root, "mail/list", PLACES)
    if isinstance(subject, dict) and isinstance(subject.get("with", {}).get("place"), dict):
        place = subject["with"]["place"]
        subject = subject | {
            "with": subject["with"] | {"place": place | {"$from": number} if "$from" in place else place}
        }
    assert tried(world, root, "mail/send", to=BOB, subject=subject) == rule


def test_composed_text_bears_the_labels_of_its_values(world: KernelWorld) -> None:
    guarded(world)
    world.install(CHAT)
    free = Grant("mail/send", carries=("*",), endorsed=True)
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("mail/list", results="handle"), free))
    number = kept(world, root, "mail/list", [{"place": EVE}])
    to = {"$text": "{who}", "with": {"who": refer(number, "[0].place")}}
    assert tried(world, root, "mail/send", to={"$text": "bob{at}x.org", "with": {"at": "@"}}) == "done"
    assert tried(world, root, "mail/send", to=to) in ("steering", "asked")


def test_template_bounds_where_each_of_its_values_is_bounded() -> None:
    assert bounds(DINNER) and bounds(Rule(template=Template("x")))
    assert not bounds(Rule(template=Template("to {x}", {"x": Rule(chars_max=9)})))


@pytest.mark.parametrize("text", ["{", "}", "{}", "{a b}", "{1}", "{a", "a}", "{a.b}", "{a!r}", "{a:>9}", "".join(f"{{a{n}}}" for n in range(17))])  # fmt: skip
def test_text_that_is_no_template_is_refused_in_words(text: str) -> None:
    assert flaw(Rule(template=Template(text, {"a": Rule()})))


def test_braces_are_written_twice() -> None:
    assert composed("{{{a}}} {{a}}", {"a": "{a}"}) == "{{a}} {a}"
    assert in_words(Rule(template=Template("{{{a}}}", {"a": Rule()}))) == 'the words "{{{a}}}" in which {a} is anything'


# What can't be kept, and what lies within what.


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source("t/t", pick="most_common"), "what is counted"),
        (Source("t/t", "a", pick="most_common", extract="email"), "as it is"),
        (Source("t/t", "a", pick="most_common", by="b"), "'by'"),
        (Source("t/t", "a", argument="n"), "not for a process to choose"),
        (Source("t/t", "a", argument="n", over={"m": Rule(one_of=(1,))}), "not for a process to choose"),
        (Source("t/t", "a", argument="n", over={"n": Rule(one_of=(1,))}, pattern="(a)"), "as it is"),
        (Source("t/t", "a", over={"n": Rule()}), "ranges"),
        (Source("t/t", "a", over={"n": Rule(one_of=(1,)), "m": Rule(one_of=(1,))}), "one argument"),
        (Source("t/t", "a", {"n": 1}, over={"n": Rule(one_of=(1,))}), "'called'"),
        (Source("t/t", "a", pick="first", over={"n": Rule(one_of=(1,))}), "one result"),
        (Source("t/t", "a", over={"n": Rule(source=(BUSIEST,))}), "one result"),
        (Source("t/t", "a", over={"n": Rule(one_of=(1,), under="x")}), "under"),
        (Source("t/t", "a", value=Rule(source=(BUSIEST,))), "source of its own"),
        (Source("t/t", "a", value=Rule(template=Template("x"))), "as a whole"),
    ],
)
def test_source_that_can_not_be_kept_is_refused_in_words(source: Source, says: str) -> None:
    assert says in flaw(Rule(source=(source,)))


@pytest.mark.parametrize(
    ("template", "says"),
    [
        (Template("{a}"), "a rule for each"),
        (Template("a", {"a": Rule()}), "a rule for each"),
        (Template("{a}", {"a": Rule(under="x")}), "under"),
        (Template("{a}", {"a": Rule(template=Template("x"))}), "as a whole"),
        (Template("{a}", {"a": Rule(source=(Source("t/t", "a..b"),))}), "no path"),
    ],
)
def test_template_that_can_not_be_kept_is_refused_in_words(template: Template, says: str) -> None:
    assert says in flaw(Rule(template=template))


def test_path_takes_no_template(world: KernelWorld) -> None:
    wrong = Grant("disk/read", {"path": Rule(template=Template("a"))})
    answer = world.ask(guarded(world), Fork("x", grants=(wrong,)))
    assert isinstance(answer, Error) and "template" in answer.message


def test_source_over_several_results_lies_only_within_itself() -> None:
    narrower = {
        "called": {"day": "x"},
        "where": {"id": Rule(one_of=(1,))},
        "over": {"channel": Rule(one_of=("a",))},
        "value": Rule(prefix="a"),
        "pick": "any",
        "argument": "channel",
    }
    assert source_within(BUSIEST, BUSIEST)
    for name, value in narrower.items():
        other = msgspec.structs.replace(BUSIEST, **{name: value})
        assert not source_within(other, BUSIEST) and not source_within(BUSIEST, other), name
    any_one, only = Source("t/t", "a", pick="any"), Source("t/t", "a")
    small = Rule(one_of=("x",))
    assert source_within(msgspec.structs.replace(any_one, value=small), any_one)
    assert not source_within(any_one, msgspec.structs.replace(any_one, value=small))
    assert not source_within(msgspec.structs.replace(only, value=small), only)


holes = some.dictionaries(some.sampled_from(("a", "b")), rules(0), max_size=2)
templates = some.builds(Template, some.sampled_from(("x {a} {b}", "x {a}", "{a}{b}")), holes)


@settings(max_examples=600, deadline=None)
@given(templates, templates, some.dictionaries(some.sampled_from(("a", "b")), some.sampled_from(("", "a", "4", 4, "ab")), max_size=2), rules(0), rules(0))  # fmt: skip
def test_what_is_composed_as_the_child_says_is_as_the_parent_says(
    child: Template, parent: Template, values: dict[str, Any], other: Rule, more: Rule
) -> None:
    both = [
        msgspec.structs.replace(rule, template=template, source=None)
        for rule, template in ((other, child), (more, parent))
    ]
    for one, two in (both, [both[0], msgspec.structs.replace(both[0], template=parent)], [Rule(template=child), Rule(template=parent)]):  # fmt: skip
        if not rule_within(one, two):
            continue
        for text in (child.text, parent.text):
            use = Filling({"t": ""}, Label(), {}, {("t",): Composed(text, values)})
            said = text + repr(values)
            come = lambda place, wanted, it=use: it.comes_from(("t", *place), wanted)  # noqa: E731
            assert fits(two, said, come) or not fits(one, said, come)


def test_no_two_different_sources_read_the_same() -> None:
    base = {"tool": "t/t", "field": "a"}
    changes: list[dict[str, Any]] = [
        {},
        {"field": "a where b is anything"},
        {"where": {"b": Rule()}},
        {"where": {"b is anything and c": Rule()}},
        {"where": {"b": Rule(), "c": Rule()}},
        {"value": Rule()},
        {"value": Rule(one_of=("x",))},
        {"pick": "any"},
        {"pick": "most_common"},
        {"pick": "least_common"},
        {"records": "x[]"},
        {"argument": "n", "over": {"n": Rule(one_of=(1,))}},
        {"over": {"n": Rule(one_of=(1,))}},
        {"argument": "n", "over": {"n": Rule(one_of=(1,))}, "pick": "most_common"},
        {"argument": "n", "over": {"n": Rule(one_of=(1,))}, "pick": "any"},
        {"argument": "n", "over": {"n": Rule(one_of=(2,))}},
        {"argument": 'n" of', "over": {'n" of': Rule(one_of=(1,))}},
    ]
    said = [in_words(Rule(source=(Source(**base | change),))) for change in changes]
    assert len(set(said)) == len(said), said
