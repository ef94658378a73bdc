"""What a person sees of a value that third parties wrote, before they say yes to it."""

from __future__ import annotations

import pytest

from gemot.abi.effects import Asked
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
