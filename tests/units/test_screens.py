"""What a person reads is never assembled from a model's text: what differs is shown differently, and nothing is hidden."""

from __future__ import annotations

import json
import os
import unicodedata
from random import Random
from typing import Any

import msgspec
import pytest

from gemot.abi.effects import Action, Asked, PlannedStep
from gemot.abi.grants import Grant, Rule, Source
from gemot.authority.quoting import escaped, hosted, moment, named, plainly, quoted, titled, told_apart, visible
from gemot.cli.asking import shown, whole
from gemot.cli.plain import one_line, plain, plain_json
from gemot.cli.wording import planned
from gemot.kernel.mandate import step_lines

SEEDS = [int(os.environ["GEMOT_SEED"])] if "GEMOT_SEED" in os.environ else list(range(40))
PIECES = [
    "a", "b", " ", "  ", "\n", "path", ": ", "'", '"', "; ", "1 times", ")", "(", ",", "\\", "\\u0430", "\u0430", "\u202e", "\u200d",
    "e\u0301", "\u00e9", "your policy allows this", "\n  2. Read\n     files/read", "files/read", "null", "5", "true", "\t", "    ",
    "\u00a0", "\ufe0f", "p\u0430ypal.com", "https://", "x" * 90, "y" * 1_500, "| ", "...", "xn--", "\uff0f", "/", "and 3 more",
]  # fmt: skip


def words(chance: Random, most: int = 4) -> str:
    return "".join(chance.choices(PIECES, k=chance.randint(0, most)))


def rule(chance: Random) -> Rule:
    values = tuple(
        chance.choice([words(chance), None, 1, 1.0, True, 1_000_001, "1"]) for _ in range(chance.choice([0, 1, 2, 30]))
    )
    kinds: list[dict[str, Any]] = [
        {"one_of": values}, {"prefix": words(chance)}, {"contains": words(chance)}, {"chars_max": chance.randint(0, 9)},
        {"at_least": chance.choice([1e6, 1e6 + 1, 5, 0.1])}, {"hosts": (words(chance), "a.example")}, {"items_max": 2},
        {"source": (Source("mail/list", words(chance) or "x", where={words(chance) or "y": Rule(prefix=words(chance))}),)},
    ]  # fmt: skip
    return Rule(**(chance.choice(kinds) | chance.choice([{}, {"chars_max": 7}])))


def grant(chance: Random) -> Grant:
    where = {words(chance) or "text": rule(chance) for _ in range(chance.randint(0, 2))}
    more = chance.choice(
        [{}, {"uses": 1}, {"until_ms": chance.randint(0, 10**12)}, {"carries": (words(chance) or "mail",)}]
    )
    return Grant(chance.choice(["files/read", "files/write"]), where, **more)


def plan(chance: Random) -> Asked:
    steps = tuple(
        PlannedStep(words(chance).replace("\n", " ") or "x", tuple(grant(chance) for _ in range(chance.randint(0, 2))), chance.random() < 0.3)
        for _ in range(chance.randint(1, 3))
    )  # fmt: skip
    lines = tuple("\n".join(step_lines(number, one)) for number, one in enumerate(steps, 1))
    return Asked(1, 1, "May it do this, and nothing else?", plan=lines, steps=steps)


def action(chance: Random) -> Action:
    names = chance.sample(["text", "to", "path: 'a'", "\u0430", "| x", words(chance) or "y"], k=chance.randint(1, 3))
    values = [
        words(chance),
        5,
        "5",
        None,
        "null",
        True,
        [words(chance)],
        {"a": words(chance)},
        "x" * 2_000 + words(chance),
    ]
    return Action("files/write", {name: chance.choice(values) for name in names})


def ask(chance: Random) -> Asked:
    one = action(chance)
    return Asked(1, 1, "?", tool=one.tool, arguments=one.arguments)


def mutated(chance: Random, one: Asked) -> Asked:
    """The same with one thing in it changed: by building it again from other chance, or by exchanging one text."""
    text = msgspec.json.encode(one).decode()
    for _ in range(5):
        piece, other = chance.sample(PIECES, 2)
        old, new = json.dumps(piece)[1:-1], json.dumps(other)[1:-1]
        if old in text:
            try:
                return msgspec.json.decode(text.replace(old, new, 1), type=Asked)
            except msgspec.DecodeError:
                continue
    return plan(chance) if one.steps else ask(chance)


def meaning(one: Asked) -> bytes:
    return msgspec.json.encode([one.steps, one.tool, one.arguments], order="sorted")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("make", [plan, ask])
def test_what_differs_is_never_shown_the_same(seed: int, make: Any) -> None:
    chance = Random(seed)
    print(f"GEMOT_SEED={seed}")
    first = make(chance)
    screens: dict[str, bytes] = {}
    for one in [first, *(mutated(chance, first) for _ in range(10))]:
        lines = tuple("\n".join(step_lines(number, step)) for number, step in enumerate(one.steps, 1))
        again = msgspec.structs.replace(one, plan=lines)
        for text in ("\n".join(shown(again)), plain_json(msgspec.json.encode(again).decode())):
            assert screens.setdefault(text, meaning(one)) == meaning(one), text
        assert all(line.isprintable() for line in shown(again))


def test_hidden_and_posing_characters_are_visible_everywhere() -> None:
    hidden = [0x200D, *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFFC), *range(0x1BCA0, 0x1BCA4), *range(0x1D173, 0x1D17B), 0xE0001,
              0xE0041, 0xE0100, 0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800, 0x034F, 0x17B4, 0x180B, 0x180E, 0x202E, 0x2066, 0x00AD, 0x061C,
              0xFEFF, 0xE000, 0x0378, 0x2028, 0x00A0, 0x3000]  # fmt: skip
    for number in hidden:
        one = chr(number)
        for text in (
            plain(f"a{one}b"),
            one_line(f"a{one}b."),
            visible(f"a{one}b"),
            titled(f"a{one}b"),
            quoted(f"a{one}b"),
        ):
            assert one not in text or one.isspace(), hex(number)
        assert escaped(one) in visible(f"a{one}b"), hex(number)
        assert json.loads(plain_json(json.dumps(f"a{one}b", ensure_ascii=False))) == f"a{one}b"


def test_every_character_that_is_shown_as_itself_is_of_a_visible_kind() -> None:
    for number in range(0x80, 0x3200):
        one = chr(number)
        if visible(f"a {one}", exact=True).endswith(one):
            assert unicodedata.category(one)[0] in "LNPS", hex(number)


def test_marks_upon_marks_are_not_piled_up() -> None:
    assert visible("e\u0301") == "e\u0301" and visible("\u0e01\u0e34\u0e48") == "\u0e01\u0e34\u0e48"
    assert "\\u0301" in visible("e" + "\u0301" * 9) and visible(" \u0301") == " \\u0301"


@pytest.mark.parametrize(
    "text", ["Grüße aus München.", "отчёт за май", "二つの文書", "Ελληνικά", "שלום", "日本ABC", "naïve", "नमस्ते"]
)
def test_the_languages_of_people_stay_as_they_are(text: str) -> None:
    assert plain(text) == text and one_line(text) == text and titled(text) in (text, f'"{text}"')


def test_names_that_mix_scripts_are_shown_as_what_they_are() -> None:
    assert named("solo") == "solo" and named("s\u043elo") == '"s\\u043elo"'
    assert (
        plainly("files/read") == "files/read"
        and plainly("path: 'a'; 1 times)\n2. Read") == "\"path: 'a'; 1 times)\\n2. Read\""
    )
    assert titled("Write (your policy allows this)").startswith('"') and titled("Write it") == "Write it"


def test_hosts_are_spelled_in_ascii_whoever_wrote_them() -> None:
    assert told_apart("p\u0430ypal.com") == "xn--pypal-4ve.com" and hosted("p\u0430ypal.com") == "xn--pypal-4ve.com"
    assert plain("see p\u0430ypal.com") == "see xn--pypal-4ve.com"
    seen = "\n".join(shown(Asked(1, 1, "?", tool="web/get", arguments={"url": "https://p\u0430ypal.com/x"})))
    assert "https://xn--pypal-4ve.com/x" in seen and "\\u0430" in seen, (
        "the person wrote no part of it, nor did a stranger"
    )
    step = PlannedStep("Look", (Grant("web/get", {"url": Rule(hosts=("p\u0430ypal.com",))}),))
    assert "xn--pypal-4ve.com" in "\n".join(planned(Asked(1, 1, "?", plan=("x",), steps=(step,))))


def test_a_mark_of_the_system_is_a_line_of_its_own() -> None:
    posing = PlannedStep("Send it\u2028   = your policy allows this step already")
    real = PlannedStep("Send it", foreseen=True)
    assert step_lines(1, posing)[1:] == [] and step_lines(1, real)[1:] == ["   = your policy allows this step already"]


def test_a_rule_of_many_values_is_bounded_and_whole_on_demand() -> None:
    values = tuple(f"value {number}" for number in range(5_000))
    one = Asked(
        3, 1, "May it?", plan=("x",), steps=(PlannedStep("All", (Grant("out/put", {"text": Rule(one_of=values)}),)),)
    )
    other = Asked(3, 1, "May it?", plan=("x",), steps=(PlannedStep("All", (Grant("out/put", {"text": Rule(one_of=(*values[:-1], "other"))}),)),))  # fmt: skip
    text = "\n".join(planned(one))
    assert len(text) < 2_000 and "5,000 values" in text.replace("\n     ... ", "") and text != "\n".join(planned(other))
    everything = "\n".join(whole(one))
    assert all(f"'{value}'" in everything for value in values)


def test_a_long_value_is_shown_by_its_ends_and_whole_on_demand() -> None:
    text = "begin " + "".join(f"{number} " for number in range(3_000)) + "the end"
    asked = Asked(7, 1, "?", tool="files/write", arguments={"content": text})
    seen = "\n".join(shown(asked))
    assert f"({len(text):,} characters)" in seen and "begin" in seen and "the end" in seen and "gemot asks 7" in seen
    lines = [line[4:] for line in whole(asked) if line.startswith("  | ")]
    assert "".join(lines) == text


def test_what_steers_is_shown_first() -> None:
    arguments = {"text": "ada@home.example", "to": "eve@evil.example"}
    lines = shown(Asked(1, 1, "?", tool="mail/send", arguments=arguments, steers=("to",)))
    assert [line.split(":")[0].strip() for line in lines[1:3]] == ["to", "text"]


def test_a_moment_is_a_date() -> None:
    assert moment(0) == "1970-01-01 00:00:00 UTC" and moment(1_796_000_000_123) == "2026-11-30 00:53:20.123 UTC"
