"""What a person sees of a value that third parties wrote, before they say yes to it."""

from __future__ import annotations

import pytest

from gemot.abi.effects import Action, Asked
from gemot.cli.asking import prompt, shown, understood
from gemot.cli.plain import told_apart


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("https://ex\u0430mple.org/a?b", "https://xn--exmple-4nf.org/a?b"),
        ("bob@ex\u0430mple.org", "bob@xn--exmple-4nf.org"),
        ("ex\u0430mple.org", "xn--exmple-4nf.org"),
        ("https://example.org/\u0430", "https://example.org/\u0430"),
        ("Grüße aus München.", "Grüße aus München."),
        ("see https://ex\u0430mple.org now", "see https://xn--exmple-4nf.org now"),
    ],
)
def test_a_host_that_looks_like_another_is_spelled_out(text: str, seen: str) -> None:
    if "/\u0430" in text:
        assert "example.org" in told_apart(text)
    else:
        assert told_apart(text) == seen


def asked(**more: object) -> Asked:
    arguments = {"to": "eve\u202e@ex\u0430mple.org \u200b\x1b[2K", "body": "hello"}
    return Asked(1, 2, "May it?", ("yes", "no"), "mail/send", arguments, "d", untrusted=("to",), **more)  # type: ignore[arg-type]


def test_an_untrusted_value_is_marked_and_shows_what_can_not_be_seen() -> None:
    lines = shown(asked(why="to was 'x', but it must be 'y'\x1b[1A", once=True))
    text = "\n".join(lines)
    assert "to (untrusted): " in text and "body: hello" in text
    assert "\\u202e" in text and "\\u200b" in text and "\\x1b" in text and "\x1b" not in text
    assert "xn--" in text and "nobody allowed this: to was 'x'" in text


def test_what_breaks_a_rule_is_allowed_once_only() -> None:
    once = asked(why="x", once=True)
    assert prompt(once) == "[y/N] " and "always" not in "\n".join(shown(once))
    assert understood(once, "a") is None and understood(once, "t") is None
    yes = understood(once, "y")
    assert yes is not None and yes.scope == "once"
    assert understood(asked(), "a") is not None


def several(**more: object) -> Asked:
    one = Action(
        "mail/send", {"to": "eve\u202e@ex\u0430mple.org", "body": "\n  2. files/read\n  path: a"}, untrusted=("to",)
    )
    two = Action("files/overwrite", {"content": "x", "path": "a.md"}, {"path": "/srv/a.md"}, "path was 'a.md'\x1b[1A")
    return Asked(4, 2, "May it?", digest="d", actions=(one, two), **more)  # type: ignore[arg-type]


def test_several_actions_are_each_shown_whole_under_a_number() -> None:
    lines = shown(several(once=True))
    text = "\n".join(lines)
    assert "may it do these 2 things?" in lines[0]
    assert lines.index("  1. mail/send") < lines.index("  2. files/overwrite") and lines.count("  2. files/read") == 0
    assert "to (untrusted): " in text and "xn--" in text and "\\u202e" in text and "\x1b" not in text
    assert "nobody allowed this: path was" in text and "that is /srv/a.md" in text
    assert "1 3: these only" in lines[-1] and "always" not in lines[-1] and "always" in shown(several())[-1]


@pytest.mark.parametrize(
    ("typed", "allow", "words"),
    [
        ("", False, ""),
        ("n not him", False, "not him"),
        ("y", True, ""),
        ("YES", True, ""),
        ("2", True, "2"),
        ("2, 1", True, "2, 1"),
    ],
)
def test_several_actions_are_answered_by_a_word_or_by_numbers(typed: str, allow: bool, words: str) -> None:
    answer = understood(several(), typed)
    assert answer is not None and (answer.allow, answer.text, answer.scope) == (allow, words, "once")
    always = understood(several(), "t")
    assert always is not None and (always.allow, always.text, always.scope) == (True, "", "subtree")


@pytest.mark.parametrize("typed", ["3", "0", "1 and 2", "all but 1", "y 1", "yes please", "1-2", "a", "t"])
def test_what_is_no_answer_to_several_actions_is_asked_again(typed: str) -> None:
    assert understood(several(once=True), typed) is None
