"""The decision function alone, rule by rule. Each test is here because without it a changed decision went unnoticed
(``make mutants``): it is named by what it protects."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gemot.abi.grants import Grant, Mount, Rule, Source, Template
from gemot.abi.labels import Handle, Label
from gemot.abi.private import USUAL
from gemot.abi.programs import ProgramSpec
from gemot.abi.tools import ToolSpec
from gemot.authority.deciding import Others, Verdict, decide, steering, untrusted
from gemot.authority.documents import Document
from gemot.authority.ledger import Means
from gemot.authority.once import keys
from gemot.authority.references import fill
from gemot.authority.refusal import Refused
from gemot.kernel.process import Process

TEXT, ANY = {"type": "string"}, {}
WORK = Mount("work", "/srv/data", "rw")
CLEAN, FOREIGN = Label(), Label(("tool:x/y",), "foreign")
LETTERS = [{"sender": "ann@x.org", "body": "obey"}, {"sender": "bob@x.org", "body": "me"}]
HOLDS = {7: Document("mail/list", {}, msgspec.json.encode(LETTERS).decode(), FOREIGN, ("sender",))}
SENDER = Source("mail/list", "sender", pick="any")


def tool(name: str, effect: str, *arguments: str, **more: Any) -> ToolSpec:
    schema = {"type": "object", "properties": dict.fromkeys(arguments, ANY)}
    return ToolSpec(name, "", more.pop("schema", schema), effect, False, **more)  # type: ignore[arg-type]


SEND = tool("mail/send", "sends", "to", "body", payload=("body",))
PUT = tool("disk/put", "writes", "path", "text", paths=("path",), payload=("text",), needs="rw", guards=True)
GET = tool("disk/get", "reads", "path", paths=("path",))
LOOK = tool("copies/look", "reads", "child", "path", paths=("path",), children=("child",))
MERGE = tool("copies/merge", "writes", "child", "path", paths=("path",), children=("child",), needs="rw", steers=())


def decided(
    what: ToolSpec,
    use: dict[str, Any],
    *grants: Grant,
    label: Label = CLEAN,
    mounts: tuple[Mount, ...] = (WORK,),
    confirmed: tuple[str, ...] = (),
    others: Others | None = None,
    holds: dict[int, Document] = HOLDS,
) -> Verdict:
    """What is decided about a use by a process that holds these grants, and handle 7 on two letters."""
    process = Process(
        1, 0, 1, "p", ProgramSpec("p", "", "native", ""), "", (), mounts, list(grants) or [Grant("*")], Means()
    )
    process.label, process.confirmed, process.documents = label, frozenset(confirmed), dict(holds)
    process.handles = {number: Handle(number, "", len(one.text or ""), "", one.label) for number, one in holds.items()}
    return decide(process, what, fill(process, use, what.schema), use, 0, others)


def refusal(what: ToolSpec, use: dict[str, Any], *grants: Grant, **more: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        decided(what, use, *grants, **more)
    return caught.value


def outcome(what: ToolSpec, use: dict[str, Any], *grants: Grant, **more: Any) -> str:
    """``done``, ``asked``, or the rule that refuses."""
    try:
        return "asked" if decided(what, use, *grants, **more).ask else "done"
    except Refused as refused:
        return refused.rule


def only(*values: Any, **more: Any) -> dict[str, Rule]:
    return {"to": Rule(one_of=values, **more)}


# Which grant.


def test_the_first_grant_that_allows_it_is_the_one_that_is_used() -> None:
    first, second = Grant("mail/send", only("a")), Grant("mail/*", only("a", "b"))
    assert decided(SEND, {"to": "a"}, Grant("disk/get"), first, second) == Verdict(1)
    assert decided(SEND, {"to": "b"}, Grant("disk/get"), first, second) == Verdict(2)


def test_a_tool_that_no_grant_covers_is_refused_with_what_there_is() -> None:
    refused = refusal(SEND, {"to": "a"}, Grant("mail/list"), Grant("disk/*"))
    assert refused.rule == "grant" and "mail/list, disk/*" in refused.message


def test_of_many_grants_that_say_no_the_first_eight_say_why_and_each_once() -> None:
    grants = [Grant("mail/send", only(f"w{number}")) for number in range(10)]
    said = refusal(SEND, {"to": "x"}, grants[0], *grants).message
    assert [said.count(f"'w{number}'") for number in range(10)] == [1, 1, 1, 1, 1, 1, 1, 0, 0, 0]
    said = refusal(SEND, {"to": "x"}, *grants).message
    assert [said.count(f"'w{number}'") for number in range(10)] == [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_a_refusal_names_the_rule_of_the_first_grant() -> None:
    secret = Label(secrets=("mail",))
    grants = Grant("mail/send", only("b")), Grant("mail/send")
    assert outcome(SEND, {"to": "a"}, *grants, label=secret) == "grant"
    assert outcome(SEND, {"to": "a"}, *reversed(grants), label=secret) == "secret"


def test_the_person_is_asked_about_the_first_grant_that_says_so() -> None:
    asks = [Grant("mail/send", only(name), otherwise="ask") for name in "abc"]
    refuses = Grant("mail/send", only("z"))
    for grants, index, name in (
        ((refuses, *asks), 1, "'a'"),
        ((asks[1], refuses, asks[0]), 0, "'b'"),
        ((asks[2], refuses), 0, "'c'"),
    ):
        verdict = decided(SEND, {"to": "x"}, *grants)
        assert (verdict.grant, verdict.ask) == (index, True) and name in verdict.why and "; " not in verdict.why


def test_a_grant_that_is_used_up_asks_nobody() -> None:
    assert outcome(SEND, {"to": "x"}, Grant("mail/send", uses=0, otherwise="ask")) == "grant"
    assert outcome(SEND, {"to": "x"}, Grant("mail/send", until_ms=0, otherwise="ask")) == "grant"


def test_values_that_a_grant_allows_once_are_counted_only_where_it_says_so() -> None:
    asks = Grant("mail/send", once_per="to", otherwise="ask")
    assert decided(SEND, {"to": "a"}, asks) == Verdict(0, True, decided(SEND, {"to": "a"}, asks).why, keys("a"))
    assert decided(tool("x/y", "computes", ""), {"": "a"}) == Verdict(0), "an argument without a name"


# Confirming.


def test_a_tool_that_asks_asks_until_it_is_confirmed() -> None:
    asks = msgspec.structs.replace(SEND, asks=True)
    seen = Grant("mail/send", only("a"), endorsed=True)
    assert outcome(SEND, {"to": "a"}) == "done"
    assert outcome(asks, {"to": "a"}) == "asked" and decided(asks, {"to": "a"}).why == ""
    assert outcome(asks, {"to": "a"}, confirmed=("mail/send",)) == "done"
    assert outcome(asks, {"to": "a"}, confirmed=("mail/list",)) == "asked"
    assert outcome(asks, {"to": "a"}, seen) == "done"
    assert outcome(asks, {"to": "a"}, msgspec.structs.replace(seen, endorsed=False)) == "asked"


def test_a_person_has_seen_all_that_is_reached_only_if_every_steering_argument_is_bounded() -> None:
    both = tool("post/send", "sends", "to", "copy", "body", payload=("body",), asks=True)
    one = Grant("post/*", only("a"), endorsed=True)
    two = Grant("post/*", {**only("a"), "copy": Rule(one_of=("b", None))}, endorsed=True)
    assert outcome(both, {"to": "a", "copy": "b", "body": "x"}, two) == "done"
    assert outcome(both, {"to": "a", "copy": "b"}, one) == "asked"
    assert outcome(both, {"to": "a"}, one) == "asked", "the grant leaves open what is left out this time"
    assert outcome(both, {"to": "a"}, two) == "done"
    part = Grant("post/*", {**only("a"), "copy.id": Rule(one_of=("b",))}, endorsed=True)
    assert outcome(both, {"to": "a", "copy": {"id": "b"}}, part) == "done"
    assert outcome(both, {"to": "a", "copy": {"id": "b", "name": "c"}}, part) == "asked"


def test_a_tool_that_asks_and_that_nothing_steers_asks_each_time() -> None:
    press = tool("bomb/press", "sends", asks=True)
    assert outcome(press, {}, Grant("bomb/press", endorsed=True)) == "asked"


# What steers.


def test_what_steers() -> None:
    assert steering(SEND) == ("to",)
    assert steering(msgspec.structs.replace(SEND, effect="writes")) == ("to",)
    assert steering(msgspec.structs.replace(SEND, effect="reads")) == ()
    assert steering(msgspec.structs.replace(SEND, effect="computes")) == ()
    assert steering(msgspec.structs.replace(SEND, steers=("body",))) == ("body",)
    assert steering(msgspec.structs.replace(SEND, steers=())) == ()
    assert steering(tool("bomb/press", "sends", schema={})) == ()


def test_foreign_text_steers_nothing_unless_a_rule_says_which() -> None:
    note = tool("note/keep", "writes", "shelf", "text", payload=("text",))
    for what, name in ((SEND, "to"), (note, "shelf")):
        free, ask = Grant(what.name, endorsed=True, planned=True), Grant(what.name, endorsed=True, otherwise="ask")
        assert outcome(what, {name: "a"}, free) == "done"
        assert outcome(what, {name: "a"}, free, label=FOREIGN) == "steering"
        assert outcome(what, {name: "a"}, ask, label=FOREIGN) == "asked"
        assert outcome(what, {name: "a"}, Grant(what.name), label=FOREIGN) == "asked", "somebody may mean it"
        wide, narrow = Grant(what.name, endorsed=True), Grant(what.name, {name: Rule(chars_max=9)}, endorsed=True)
        assert outcome(what, {name: "a"}, wide, label=FOREIGN) == "asked", "the person said nothing of it"
        assert outcome(what, {name: "a"}, narrow, label=FOREIGN) == "steering", "the person said something of it"
        theirs = msgspec.structs.replace(what, foreign=True)
        assert outcome(theirs, {name: "a"}, narrow, label=FOREIGN) == "asked", "what else it does is known to few"
        step = msgspec.structs.replace(narrow, planned=True)
        assert outcome(theirs, {name: "a"}, step, label=FOREIGN) == "steering", "this, and nothing else"
        planned = msgspec.structs.replace(step, otherwise="ask")
        assert outcome(theirs, {name: "a"}, planned, label=FOREIGN) == "asked", "the grant says to ask"
        for nothing in (None, "", [], {}, [""]):
            assert outcome(what, {name: nothing}, free, label=FOREIGN) == "done", nothing
        for something in (0, False, " ", "mutant", ["", "a"], {"b": 0}):
            assert outcome(what, {name: something}, free, label=FOREIGN) == "steering", something
        assert outcome(what, {"text": "x", "body": "x"}, free, label=FOREIGN) == "done", "nobody is named"


def test_every_argument_that_steers_loose_is_named() -> None:
    both = tool("post/send", "sends", "to", "copy", "body", payload=("body",))
    grant = Grant("post/send", only("a"), endorsed=True)
    assert "to, copy was chosen" in refusal(both, {"to": "a", "copy": "b"}, Grant("post/send", endorsed=True, planned=True), label=FOREIGN).message  # fmt: skip
    said = refusal(both, {"to": "a", "copy": "b"}, grant, label=FOREIGN).message
    assert "copy was chosen" in said and "to, " not in said


def test_a_rule_that_somebody_unsure_wrote_bounds_nothing() -> None:
    grant = Grant("mail/send", only("a"), endorsed=True)
    assert outcome(SEND, {"to": "a"}, grant, label=FOREIGN) == "done"
    unsure = msgspec.structs.replace(grant, unsure=("to",))
    assert outcome(SEND, {"to": "a"}, unsure, label=FOREIGN) == "steering"
    other = msgspec.structs.replace(grant, unsure=("body",))
    assert outcome(SEND, {"to": "a"}, other, label=FOREIGN) == "done"


def test_each_part_of_an_argument_must_be_bounded() -> None:
    parts = Grant("mail/send", {"to.id": Rule(one_of=(1,)), "to.at.name": Rule(one_of=("a",))}, endorsed=True)
    for to, answer in [
        ({"id": 1, "at": {"name": "a"}}, "done"),
        ([{"id": 1, "at": {"name": "a"}}, {"id": 1, "at": {"name": "a"}}], "done"),
        ({"id": 1, "at": {"name": "a"}, "note": "x"}, "steering"),
        ({"note": "x", "id": 1, "at": {"name": "a"}}, "steering"),
        ({"id": 1, "at": {"name": "a", "host": "x"}}, "steering"),
        ([{"id": 1, "at": {"name": "a"}}, {"id": 1, "at": {"name": "a"}, "note": "x"}], "steering"),
        ({"id": 1, "at": {"name": "a"}, "note": ""}, "done"),
        ({"id": 1, "at": {"name": "a"}, "note": [None]}, "done"),
    ]:
        assert outcome(SEND, {"to": to}, parts, label=FOREIGN) == answer, to


def test_an_argument_with_dots_in_its_name_is_bounded_by_the_rule_of_that_name() -> None:
    dotted = tool("mail/send", "sends", "to.id")
    grant = Grant("mail/send", {"to.id": Rule(one_of=("a",))}, endorsed=True)
    assert outcome(dotted, {"to.id": "a"}, grant, label=FOREIGN) == "done"
    bare = tool("bare/send", "sends", schema={}, steers=("to",))
    assert outcome(bare, {"to": "a"}, Grant("bare/send", only("a"), endorsed=True), label=FOREIGN) == "done"
    assert outcome(bare, {"to": "a"}, Grant("bare/send", endorsed=True), label=FOREIGN) == "asked"


def test_a_rule_that_says_only_of_what_form_bounds_nothing() -> None:
    for rule in (Rule(), Rule(kind="text"), Rule(chars_max=9), Rule(contains="a")):
        grant = Grant("mail/send", {"to": rule}, endorsed=True)
        assert outcome(SEND, {"to": "a"}, grant, label=FOREIGN) == "steering", rule


def test_a_path_of_ones_own_steers_nobody() -> None:
    assert outcome(PUT, {"path": "a", "text": "x"}, label=FOREIGN) == "done"
    many = tool("disk/many", "writes", "files", "file.path", "copy", paths=("files.path", "file.path"), needs="rw")
    for use, answer in [
        ({"files": [{"path": "a"}, {"path": "b"}]}, "done"),
        ({"files": [{"path": "a"}, {"path": "b", "owner": "c"}]}, "steering"),
        ({"file.path": "a"}, "done"),
        ({"copy": "a"}, "steering"),
    ]:
        grant = Grant("disk/many", endorsed=True, planned=True)
        assert outcome(many, use, grant, label=FOREIGN) == answer, use


def test_a_person_looks_twice_at_what_is_foreign() -> None:
    process = Process(1, 0, 1, "p", ProgramSpec("p", "", "native", ""), "", (), (), [], Means())
    assert untrusted(fill(process, {"to": "a", "body": "b"}, {})) == ()
    process.label = FOREIGN
    assert untrusted(fill(process, {"to": "a", "body": "b"}, {})) == ("to", "body")


# What leaves.


@pytest.mark.parametrize(
    ("carries", "answer", "says"),
    [
        (None, "secret", "a, b, c, d, e, f, and what mail/send sends may carry nothing secret"),
        (("a", "f"), "secret", "b, c, d, e, and what mail/send sends may carry a, f"),
        (("a", "b", "c", "d", "e", "f"), "done", ""),
        (("*",), "done", ""),
    ],
)
def test_what_is_sent_tells_of_no_secret_that_the_grant_does_not_carry(
    carries: tuple[str, ...] | None, answer: str, says: str
) -> None:
    grant, label = Grant("mail/send", carries=carries), Label(secrets=tuple("fedcba"))
    assert outcome(SEND, {"to": "a"}, grant, label=label) == answer
    if says:
        assert says in refusal(SEND, {"to": "a"}, grant, label=label).message
        asks = msgspec.structs.replace(grant, otherwise="ask")
        assert says in decided(SEND, {"to": "a"}, asks, label=label).why
    kept = msgspec.structs.replace(SEND, effect="writes")
    assert outcome(kept, {"to": "a"}, grant, label=label) == "done", "what stays here tells nobody"


# Rules about arguments, about their parts, and about where they come from.


def test_a_rule_about_a_part_is_about_the_argument_and_not_about_one_of_that_very_name() -> None:
    rule = {"to.id": Rule(one_of=(1,))}
    assert outcome(SEND, {"to": {"id": 1}}, Grant("mail/send", rule)) == "done"
    assert outcome(SEND, {"to": {"id": 2}}, Grant("mail/send", rule)) == "grant"
    assert outcome(SEND, {"to": {"id": 1}, "to.id": 2}, Grant("mail/send", rule)) == "grant"
    assert outcome(SEND, {"to": {"id": 2}, "to.id": 1}, Grant("mail/send", rule)) == "grant"
    assert outcome(SEND, {"to": {"id": 1}, "to.id": 1}, Grant("mail/send", rule)) == "done"
    dotted = tool("mail/send", "sends", "to.id")
    assert outcome(dotted, {"to.id": 1}, Grant("mail/send", rule)) == "done"
    assert outcome(dotted, {"to.id": 2}, Grant("mail/send", rule)) == "grant"


def test_all_rules_of_a_grant_must_hold() -> None:
    grant = Grant("mail/send", {**only("a"), "body": Rule(chars_max=3)})
    assert outcome(SEND, {"to": "a", "body": "abc"}, grant) == "done"
    assert outcome(SEND, {"to": "b", "body": "abc"}, grant) == "grant"
    assert outcome(SEND, {"to": "a", "body": "abcd"}, grant) == "grant"


def test_a_tool_without_a_schema_is_judged_too() -> None:
    bare = tool("bare/send", "sends", schema={}, paths=())
    assert outcome(bare, {"to": "a"}, Grant("bare/send", only("a"))) == "done"
    assert outcome(bare, {"to": "b"}, Grant("bare/send", only("a"))) == "grant"
    part = Grant("bare/send", {"to.id": Rule(one_of=("a",))}, endorsed=True)
    assert outcome(bare, {"to": {"id": "a"}}, part) == "done" and outcome(bare, {"to": {"id": "b"}}, part) == "grant"
    steered = msgspec.structs.replace(bare, steers=("to",))
    assert outcome(steered, {"to": {"id": "a"}}, part, label=FOREIGN) == "done"


def test_a_reference_into_the_source_is_what_a_rule_with_a_source_asks_for() -> None:
    for name, use in [
        ("to", {"to": {"$from": 7, "at": "[0].sender"}}),
        ("to.id", {"to": {"id": {"$from": 7, "at": "[0].sender"}}}),
        ("to.at.id", {"to": {"at": {"id": {"$from": 7, "at": "[0].sender"}}}}),
    ]:
        grant = Grant("mail/send", {name: Rule(source=(SENDER,))})
        assert outcome(SEND, use, grant) == "done", name
        body = msgspec.json.decode(msgspec.json.encode(use).replace(b"sender", b"body"))
        assert outcome(SEND, body, grant) == "grant", name
        said = msgspec.json.decode(msgspec.json.encode(use).replace(b'{"$from":7,"at":"[0].sender"}', b'"ann@x.org"'))
        assert outcome(SEND, {**said, "body": use["to"]}, grant) == "grant", "what is written comes from nowhere"
    dotted = tool("mail/send", "sends", "to.id")
    grant = Grant("mail/send", {"to.id": Rule(source=(SENDER,))})
    assert outcome(dotted, {"to.id": {"$from": 7, "at": "[0].sender"}}, grant) == "done"


def test_a_refusal_says_which_reference_would_do() -> None:
    here, there = (
        Grant("mail/send", {"to": Rule(source=(Source(name, "sender"),))}) for name in ("mail/list", "bank/list")
    )
    said = refusal(SEND, {"to": "ann@x.org"}, here).message
    assert '; now that is {"$from":7,"field":"sender"}' in said and "first" not in said
    assert refusal(SEND, {"to": "ann@x.org"}, there).message.endswith("; use bank/list first, and refer to its result")
    plain = refusal(SEND, {"to": "ann@x.org"}, Grant("mail/send", only("b"))).message
    assert plain.endswith("to was 'ann@x.org', but it must be 'b'")


def test_a_refusal_of_words_says_with_which_they_would_do() -> None:
    words = Template("Dear {name}", {"name": Rule(one_of=("Ann",))})
    said = refusal(SEND, {"to": "Dear Bob"}, Grant("mail/send", {"to": Rule(template=words)})).message
    assert said.endswith('; now that is {"$text": "Dear {name}", "with": {"name": "Ann"}}')
    later = Template("Dear {name}", {"name": Rule(source=(Source("bank/list", "sender"),))})
    said = refusal(SEND, {"to": "x"}, Grant("mail/send", {"to": Rule(template=later)})).message
    assert said.endswith("; use bank/list first, and refer to its result")


def test_composed_words_come_from_their_template_without_any_reference() -> None:
    grant = Grant("mail/send", {"to": Rule(template=Template("Dear {name}", {"name": Rule(one_of=("Ann",))}))})
    for name, answer in ("Ann", "done"), ("Bob", "grant"):
        assert outcome(SEND, {"to": {"$text": "Dear {name}", "with": {"name": name}}}, grant) == answer


# Paths.


def test_a_path_that_is_private_by_its_name_is_refused_with_how_a_person_shows_it() -> None:
    hides = (Mount("work", "/srv/data", "rw", private=(USUAL,)),)
    refused = refusal(GET, {"path": "keys/.ssh/"}, mounts=hides)
    assert refused.rule == "mount" and refused.message.endswith("gemot run --show .ssh")
    assert outcome(GET, {"path": "keys/ssh"}, mounts=hides) == "done"


def test_a_reference_to_a_list_with_no_path_in_it_is_refused_without_its_text() -> None:
    pack = tool("disk/pack", "reads", "paths", paths=("paths",))
    text = msgspec.json.encode({"paths": ["a", "/etc/secret"]}).decode()
    refused = refusal(pack, {"paths": {"$from": 8, "at": "paths"}}, holds={8: Document("disk/list", {}, text, CLEAN)})
    assert (refused.rule, refused.message) == ("path", "disk/pack: paths[1] refers to a text that is no path here")
    assert "/etc/secret" in refusal(pack, {"paths": ["a", "/etc/secret"]}).message
