"""What strangers write can't act on a terminal."""

from __future__ import annotations

import pytest

from gemot.abi.effects import Asked
from gemot.cli.plain import first_line, fitted, one_line, plain, width
from gemot.cli.wording import exact


@pytest.mark.parametrize(
    "evil",
    [
        "\x1b[2J",
        "\x1b]0;title\x07",
        "\x9b31m",
        "\r",
        "\x08",
        "\u202e",
        "\u2066",
        "\u200b",
        "\ud800",
        "\U000e0041",
        "\x7f",
    ],
)
def test_no_control_character_reaches_the_terminal(evil: str) -> None:
    for shown in (plain(f"a{evil}b"), one_line(f"a{evil}b"), first_line(f"a{evil}b")):
        assert not any(one in shown for one in evil if not one.isprintable() or one == "\r")
        assert shown.isprintable()


def test_line_breaks_and_letters_of_all_scripts_stay() -> None:
    assert plain("één\r\n二\tx") == "één\n二    x"


def test_long_text_says_how_much_is_missing() -> None:
    assert plain("x" * 30, 10) == "x" * 10 + " [... 20 more characters]"
    assert one_line("x" * 30, 10) == "x" * 10 + "..."
    assert first_line("one\ntwo") == "one ..."


def test_columns_are_counted_as_the_terminal_does() -> None:
    assert width("ab") == 2 and width("二二") == 4
    assert fitted("二二二", 4) == "二…"
    assert fitted("abc", 3) == "abc"


def test_an_action_is_shown_whole_or_says_that_it_is_not() -> None:
    short = exact(Asked(1, 1, "?", tool="files/overwrite", arguments={"path": "a\x1b.md", "content": "1\n2"}))
    assert short == [r"  path: a\x1b.md", "  content: (3 characters)", "  | 1", "  | 2"]
    long = exact(Asked(1, 1, "?", tool="files/overwrite", arguments={"content": "x" * 5000}))
    assert "not all of it is shown" in long[-1]
