"""What strangers write can't act on a terminal."""

from __future__ import annotations

import json

import pytest

from gemot.abi.effects import Asked
from gemot.cli.asking import shown as asking_shown
from gemot.cli.asking import understood
from gemot.cli.plain import first_line, fitted, folded, hanging, one_line, plain, plain_json, width
from gemot.cli.wording import exact, question
from gemot.machine.wishes import Answer


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
        "\u3164",
        "\u2800",
        "\u034f",
        "\U000e0100",
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
    long = exact(Asked(1, 1, "?", tool="files/overwrite", arguments={"content": "x" * 5000 + "the end"}))
    assert any("not all of it is shown" in line for line in long) and long[-1].endswith("the end")


def test_no_argument_can_pass_for_another_one() -> None:
    posing = {"content": "draft.txt" + " " * 200 + "path: draft.txt", "path": "kept.txt"}
    asked = Asked(1, 1, "?", tool="files/overwrite", arguments=posing)
    shown = exact(asked)
    assert shown[:2] == ["  path: kept.txt", "  content: (224 characters)"]
    assert all(line.startswith("  | ") for line in shown[2:])
    assert question(asked).startswith("may it use files/overwrite kept.txt content=")


def test_numbers_choose_an_answer_only_where_no_answer_is_a_number() -> None:
    plainly = Asked(1, 1, "Which?", ("red", "blue"))
    assert understood(plainly, "2") == Answer(1, True, "blue")
    assert understood(plainly, "\u00b2") is None and understood(plainly, "3") is None
    posing = Asked(1, 1, "Which?", ("keep", "delete", "1"))
    assert understood(posing, "1") == Answer(1, True, "1") and understood(posing, "2") is None
    assert "  - keep" in asking_shown(posing)


def test_a_line_is_broken_so_that_no_terminal_breaks_it() -> None:
    for text in ("word " * 50, "x" * 99, "二" * 40, "\N{WAVING WHITE FLAG}" * 30, "a"):
        pieces = folded(text, 24)
        assert "".join(pieces) == text and all(width(piece) <= 24 for piece in pieces)


def test_what_follows_the_first_line_begins_with_a_lead_where_there_is_room() -> None:
    lines = hanging("one two three four five six", 12 + 12, "  | ")
    assert lines == ["one two three four five", "  | six"]
    assert hanging("short", 24, "  | ") == ["short"]
    assert hanging("x" * 30, 20, "  | ") == ["x" * 20, "x" * 10], "no lead where it would leave less than it takes"


def test_json_made_safe_to_show_means_the_same() -> None:
    text = '\x9b\u202e\U000e0041 "quoted" \\ \n é 二'
    assert json.loads(plain_json(json.dumps(text, ensure_ascii=False))) == text
    assert plain_json(json.dumps(text, ensure_ascii=False)).isprintable()
