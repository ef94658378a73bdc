"""What third parties wrote is shown as theirs, and its links can't be followed by mistake."""

from __future__ import annotations

import pytest

from gemot.abi.answers import Outcome
from gemot.abi.effects import Asked
from gemot.abi.labels import Label
from gemot.cli import asking
from gemot.cli.plain import FOREIGN, inert
from gemot.cli.wording import Teller, question
from gemot.machine.notes import Ended, Told, Used, Using

FOREIGN_LABEL = Label(("tool:mail/read",), "foreign")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see https://example.org/x?y=1", "see https[:]//example.org/x?y=1"),
        ("HTTP://EXAMPLE.ORG", "HTTP[:]//EXAMPLE.ORG"),
        ("go to www.example.org", "go to www[.]example.org"),
        ("mailto:ada@example.org", "mailto[:]ada@example.org"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("file:///etc/passwd", "file[:]///etc/passwd"),
        ("https://\u0430pple.com/pay", "https[:]//xn--pple-43d.com/pay"),
        ("10:30, and a ratio of 3:4", "10:30, and a ratio of 3:4"),
        ("note: this", "note: this"),
        ("", ""),
    ],
)
def test_links_are_no_links(text: str, shown: str) -> None:
    assert inert(text) == shown


def words(note: object) -> str:
    return "\n".join(line.text for line in Teller(full=True).lines(note))  # type: ignore[arg-type]


def test_what_a_spoiled_process_says_is_said_to_be_so() -> None:
    told = words(Told(3, 0, "pay at https://evil.example", foreign=True))
    assert FOREIGN in told and "https[:]//evil.example" in told
    assert FOREIGN not in words(Told(3, 0, "done"))
    spoiled = Outcome(3, "r", "done", value="click https://evil.example", label=FOREIGN_LABEL)
    assert "https[:]//evil.example" in words(Ended(spoiled))
    assert "https://fine.example" in words(Ended(Outcome(3, "r", "done", value="https://fine.example")))


def test_a_tool_that_failed_is_said_to_have_failed_once() -> None:
    teller = Teller()
    teller.lines(Using(3, 7, "files/write", {"path": "a.md"}))
    (line,) = teller.lines(Used(3, 7, "files/write", False, "failed: a.md exists already"))
    assert line.text == "files/write a.md failed: a.md exists already"


def test_a_question_of_a_spoiled_process_is_shown_as_one() -> None:
    asked = Asked(1, 3, "May I open https://evil.example?", ("yes", "www.evil.example"), untrusted=("question",))
    assert FOREIGN in question(asked) and "https[:]" in question(asked) and "www[.]" in question(asked)
    assert any(FOREIGN in line for line in asking.shown(asked))
    assert not any("https://" in line for line in asking.shown(asked))
