"""Edits of text that looks the same and isn't: line ends, blanks, composition, encodings, twins, odd diffs."""

from __future__ import annotations

import random
import unicodedata

import pytest

from gemot.drivers.editing import replaced_once
from gemot.drivers.kit import ToolError
from gemot.drivers.patching import patched


def edit(data: bytes, old: str, new: str) -> bytes:
    return replaced_once(data, old, new, "a.md")[0]


def refusal(data: bytes, old: str, new: str = "NEW") -> str:
    with pytest.raises(ToolError) as caught:
        edit(data, old, new)
    return str(caught.value)


def patch(data: bytes, diff: str) -> bytes:
    return patched(data, diff, "a.md")[0]


def patch_refusal(data: bytes, diff: str) -> str:
    with pytest.raises(ToolError) as caught:
        patched(data, diff, "a.md")
    return str(caught.value)


@pytest.mark.parametrize(
    ("data", "old", "new", "after"),
    [
        (b"alpha\nbeta\r\ngamma\n", "beta\ngamma", "beta\nGAMMA", b"alpha\nbeta\r\nGAMMA\n"),
        (b"alpha\nbeta\r\ngamma\n", "alpha\nbeta\ngamma", "alpha\nB\nC\ngamma", b"alpha\nB\r\nC\r\ngamma\n"),
        (b"a\r\nb\r\n", "a\r\nb", "a\nc", b"a\r\nc\r\n"),
        (b"a\nb\n", "a\r\nb", "a\r\nc", b"a\nc\n"),
        (b"a\rb\rc", "a\nb", "a\nB\nB2", b"a\rB\rB2\rc"),
        (b"a\nb\r\nc\n", "c", "c\nd", b"a\nb\r\nc\nd\n"),
        (b"a\r\nb", "a\r\n", "a\n", b"a\nb"),
    ],
)
def test_a_line_break_fits_each_line_end_and_those_of_the_file_are_kept(
    data: bytes, old: str, new: str, after: bytes
) -> None:
    assert edit(data, old, new) == after


def test_text_that_occurs_with_two_kinds_of_line_ends_is_ambiguous() -> None:
    assert "occurs 2 times in a.md, at lines 1, 4" in refusal(b"a\nb\nx\na\r\nb\n", "a\nb")


def test_letters_that_a_latin_1_file_cannot_take_are_refused_with_the_reason() -> None:
    message = refusal(b"caf\xe9\nend\n", "end", "d\u00e9j\u00e0")
    assert "not UTF-8 (line 1 has the byte 0xE9" in message and "U+00E9" in message
    assert edit(b"caf\xe9\nend\n", "end", "END") == b"caf\xe9\nEND\n"
    assert "not UTF-8" in patch_refusal(b"caf\xe9\nend\n", "@@ -2 +2 @@\n-end\n+\u00e9nd\n")
    assert (
        edit("\u00fcber\n".encode() + b"\xff\nend", "end", "\u00e9nd") == "\u00fcber\n".encode() + b"\xff\n\xc3\xa9nd"
    )


def test_a_latin_1_line_as_it_is_shown_gets_a_message_that_says_so() -> None:
    message = refusal(b"one\nna\xefve text\n", "na\N{REPLACEMENT CHARACTER}ve text")
    assert "line 2 is not UTF-8: the byte 0xEF" in message and "Edit around it" in message
    assert "line 2 is not UTF-8" in patch_refusal(
        b"one\nna\xefve\n", "@@ -2 +2 @@\n-na\N{REPLACEMENT CHARACTER}ve\n+x\n"
    )


@pytest.mark.parametrize(
    ("line", "asked", "words"),
    [
        (
            "let\u00a0total = 1",
            "let total = 1",
            "at character 4 the file has U+00A0 (NO-BREAK SPACE) where U+0020 (SPACE)",
        ),
        ("let to\u200btal = 1", "let total = 1", "at character 7 the file has U+200B (ZERO WIDTH SPACE) where nothing"),
        ("tot\u0430l = 1", "total = 1", "at character 4 the file has U+0430 (CYRILLIC SMALL LETTER A) where U+0061"),
        ("caf\u00e9 = 1", "cafe\u0301 = 1", "the file has U+00E9"),
        ("a = \u201cx\u201d", 'a = "x"', "at character 5 the file has U+201C (LEFT DOUBLE QUOTATION MARK)"),
        ("\tx = 1", "    x = 1", "begins with 1 x U+0009 (TAB) in the file, with 4 x U+0020 (SPACE)"),
    ],
)
def test_characters_that_look_the_same_are_named_with_code_point_and_position(
    line: str, asked: str, words: str
) -> None:
    message = refusal(f"first\n{line}\nlast\n".encode(), asked)
    assert words in message and "line 2" in message


def test_blanks_at_the_end_of_a_line_are_named() -> None:
    assert "line 1 ends with 2 x U+0020 (SPACE) in the file, with no blank" in refusal(b"one  \ntwo\n", "one\ntwo")


def test_hunks_in_the_wrong_order_are_applied() -> None:
    data = b"".join(b"line %d\n" % number for number in range(1, 9))
    second, first = "@@ -7 +7 @@\n-line 7\n+L7\n", "@@ -2 +2 @@\n-line 2\n+L2\n"
    expected = data.replace(b"line 2", b"L2").replace(b"line 7", b"L7")
    assert patch(data, second + first) == expected
    assert patch(data, "@@\n-line 7\n+L7\n@@\n-line 2\n+L2\n") == expected


def test_hunks_that_overlap_are_refused_with_the_reason() -> None:
    assert "passed" in patch_refusal(b"a\nb\nc\n", "@@ -1,2 +1,2 @@\n a\n-b\n+B\n@@ -2,2 +2,2 @@\n b\n-c\n+C\n")


def test_added_lines_without_a_place_are_refused() -> None:
    assert "nothing says where" in patch_refusal(b"a\nb\n", "@@\n+new\n")
    assert "nothing says where" in patch_refusal(b"a\nb\n", "@@ def f(): @@\n+new\n")
    assert patch(b"", "@@\n+new\n") == b"new\n"
    assert patch(b"a\nb\n", "@@ -1,0 +2 @@\n+new\n") == b"a\nnew\nb\n"


@pytest.mark.parametrize("heading", ["@@ -1,2 +1,2 @@", "@@ -1,9 +1,9 @@", "@@"])
def test_lines_in_a_hunk_that_look_like_a_files_heading_are_applied(heading: str) -> None:
    assert patch(b"x\n-- a\ny\n", f"{heading}\n x\n--- a\n+++ b\n y\n") == b"x\n++ b\ny\n"
    assert patch(b"-- a\ny\nz\n", "@@ -1 +1 @@\n--- a\n+++ b\n@@ -3 +3 @@\n-z\n+Z\n") == b"++ b\ny\nZ\n"


def test_a_patch_keeps_the_line_end_of_each_line() -> None:
    assert patch(b"a\nb\r\nc\n", "@@ -2 +2,2 @@\n-b\n+B\n+B2\n") == b"a\nB\r\nB2\r\nc\n"
    assert patch(b"a\r\nb", "@@ -2 +2 @@\n-b\n+c\n") == b"a\r\nc"
    assert patch(b"a\r\nb", "@@ -2 +2,2 @@\n b\n+c\n") == b"a\r\nb\r\nc"
    assert patch(b"a\rb\rc\r", "@@ -2 +2 @@\n-b\n+B\n") == b"a\rB\rc\r"


WORDS = ("alpha", "beta", "caf\u00e9", "na\u00efve", "x = 1", "", "  indented", "end")


@pytest.mark.parametrize("seed", range(300))
def test_a_disguised_edit_applies_and_changes_nothing_else_or_is_refused_with_the_difference(seed: int) -> None:
    chance = random.Random(seed)
    ends = chance.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"]])
    texts = [f"{chance.choice(WORDS)} {number:02}" for number in range(chance.randint(3, 12))]
    lines = [text + chance.choice(ends) for text in texts]
    start = chance.randrange(len(lines))
    stop = chance.randint(start + 1, min(len(lines), start + 4))
    data = "".join(lines).encode()
    old, new = texts[start:stop], [*texts[start:stop]]
    place = chance.randrange(len(new))
    new[place] = "changed"
    disguise = chance.choice(["none", "crlf", "blank", "composition", "twin"])
    asked = "\n".join(old)
    match disguise:
        case "crlf":
            asked = asked.replace("\n", "\r\n")
        case "blank":
            asked = "\n".join(f"{line} " for line in old)
        case "composition":
            asked = unicodedata.normalize("NFD", asked)
        case "twin":
            asked = asked.replace("a", "\u0430")
        case _:
            pass
    was = [line[len(text) :] for line, text in zip(lines, texts, strict=True)]
    expected = [*texts]
    expected[start + place] = "changed"
    try:
        after = edit(data, asked, "\n".join(new))
    except ToolError as error:
        assert disguise in ("blank", "composition", "twin"), (seed, str(error))
        assert "U+" in str(error) or "blank" in str(error), (seed, str(error))
    else:
        assert after.decode() == "".join(text + end for text, end in zip(expected, was, strict=True)), seed
