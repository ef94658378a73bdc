"""Exact replacement and unified diffs: what they change, what they leave alone, what their errors teach."""

from __future__ import annotations

import difflib
import random

import pytest

from gemot.drivers.editing import replaced_once
from gemot.drivers.kit import ToolError
from gemot.drivers.patching import patched


def edit(data: bytes, old: str, new: str) -> bytes:
    return replaced_once(data, old, new, "a.md")[0]


def edit_error(data: bytes, old: str, new: str = "NEW") -> str:
    with pytest.raises(ToolError) as caught:
        edit(data, old, new)
    return str(caught.value)


def patch_error(data: bytes, diff: str) -> str:
    with pytest.raises(ToolError) as caught:
        patched(data, diff, "a.md")
    return str(caught.value)


def test_an_edit_replaces_the_one_occurrence_and_says_the_line() -> None:
    assert replaced_once(b"one\ntwo\nthree\n", "two\n", "2\n", "a.md") == (b"one\n2\nthree\n", 2)
    assert edit(b"one\ntwo", "\ntwo", "") == b"one"


def test_an_edit_keeps_crlf_a_byte_order_mark_foreign_bytes_and_a_missing_last_line_end() -> None:
    assert edit(b"one\r\ntwo\r\nthree", "one\ntwo", "1\n2\n2b") == b"1\r\n2\r\n2b\r\nthree"
    assert edit(b"one\r\ntwo\r\n", "two", "2\nb") == b"one\r\n2\r\nb\r\n"
    assert edit(b"\xef\xbb\xbfone\n", "one", "1") == b"\xef\xbb\xbf1\n"
    assert edit(b"caf\xe9 one", "one", "1") == b"caf\xe9 1"
    assert edit(b"one\ntwo", "two", "2") == b"one\n2"


def test_an_edit_of_text_that_occurs_more_than_once_lists_the_lines() -> None:
    message = edit_error(b"x = 1\ny\nx = 1\n", "x = 1")
    assert "occurs 2 times in a.md, at lines 1, 3; add lines around it" in message
    assert "occurs 2 times" in edit_error(b"aaa", "aa"), "overlapping occurrences are two"
    assert "20 times or more" in edit_error(b"a\n" * 100, "a")


def test_an_edit_of_text_that_is_not_there_shows_the_closest_place() -> None:
    data = b"import os\n\ndef total(items):\n    return sum(items)\n"
    assert "The closest place is line 3:\ndef total(items):" in edit_error(data, "def totals(items):")
    assert "spaces, tabs or the lines around it differ" in edit_error(data, "def total(items):\n  return sum(items)")
    assert "nor anything like it" in edit_error(data, "zzzzzzzzz")


def test_an_edit_without_a_change_or_without_old_text_is_refused() -> None:
    assert "old is empty" in edit_error(b"x", "")
    assert "same text" in edit_error(b"x", "x", "x")
    assert "binary" in edit_error(b"x\x00", "x")


DIFF = """\
--- a/notes.md
+++ b/notes.md
@@ -1,3 +1,3 @@
 one
-two
+2
 three
"""


def test_a_diff_is_applied_exactly() -> None:
    assert patched(b"one\ntwo\nthree\nfour\n", DIFF, "a.md") == (b"one\n2\nthree\nfour\n", 1)


@pytest.mark.parametrize("header", ["@@ -1,9 +1,2 @@", "@@ -1 +1 @@", "@@ -7,3 +7,3 @@", "@@ ... @@", "@@"])
def test_wrong_counts_and_line_numbers_in_a_diff_are_forgiven_when_the_lines_fit_in_one_place(header: str) -> None:
    diff = DIFF.replace("@@ -1,3 +1,3 @@", header)
    assert patched(b"zero\none\ntwo\nthree\n", diff, "a.md")[0] == b"zero\none\n2\nthree\n"
    bare = diff.split("\n", 2)[2]
    assert patched(b"zero\none\ntwo\nthree\n", bare, "a.md")[0] == b"zero\none\n2\nthree\n"


def test_a_diff_that_fits_in_several_places_is_refused_unless_the_line_number_says_which() -> None:
    data = b"one\ntwo\nthree\n" * 3
    assert patched(data, DIFF.replace("-1,3", "-4,3"), "a.md")[0].split(b"\n")[4] == b"2"
    assert "but fits at lines 1, 4, 7; correct the number after @@ -" in patch_error(data, DIFF.replace("-1,3", "-2,3"))


def test_a_diff_is_applied_whole_or_not_at_all_and_the_error_shows_the_hunk() -> None:
    two = DIFF + "@@ -10,2 +10,2 @@\n nine\n-ten\n+10\n"
    message = patch_error(b"one\ntwo\nthree\n", two)
    assert "hunk 2 of 2 does not fit a.md, and nothing was changed" in message
    assert "The hunk:\n nine\n-ten\n+10" in message


def test_a_diff_keeps_crlf_a_byte_order_mark_foreign_bytes_and_a_missing_last_line_end() -> None:
    assert patched(b"one\r\ntwo\r\nthree\r\n", DIFF, "a.md")[0] == b"one\r\n2\r\nthree\r\n"
    assert patched(b"\xef\xbb\xbfone\ntwo\nthree", DIFF, "a.md")[0] == b"\xef\xbb\xbfone\n2\nthree"
    assert patched(b"one\ntwo\nthree\n\xff\xfe", DIFF, "a.md")[0] == b"one\n2\nthree\n\xff\xfe"
    assert patched(b"one\ntwo\nthree\n", DIFF.replace("\n", "\r\n"), "a.md")[0] == b"one\n2\nthree\n"


def test_a_diff_can_add_and_remove_the_last_line_end() -> None:
    off = "@@ -1 +1 @@\n-one\n+1\n\\ No newline at end of file\n"
    on = "@@ -1 +1 @@\n-one\n\\ No newline at end of file\n+1\n"
    assert patched(b"one\n", off, "a.md")[0] == b"1"
    assert patched(b"one", on, "a.md")[0] == b"1\n"


def test_a_diff_can_only_add_lines_and_can_fill_an_empty_file() -> None:
    assert patched(b"one\n", "@@ -1,0 +2,1 @@\n+two\n", "a.md")[0] == b"one\ntwo\n"
    assert patched(b"one\n", "@@ -0,0 +1,1 @@\n+zero\n", "a.md")[0] == b"zero\none\n"
    assert patched(b"", "@@ -0,0 +1,1 @@\n+zero\n", "a.md")[0] == b"zero\n"
    assert "only adds lines" in patch_error(b"one\n", "@@ -9,0 +9,1 @@\n+x\n")


@pytest.mark.parametrize(
    ("diff", "reason"),
    [
        ("", "no hunk"),
        ("just words", "no hunk"),
        (DIFF + DIFF, "for 2 files"),
        (DIFF.replace("--- a/notes.md", "--- /dev/null"), "makes or deletes"),
        (DIFF.replace("+++ b/notes.md", "+++ /dev/null"), "makes or deletes"),
        (DIFF.replace(" one", "one"), "can't be read"),
    ],
)
def test_what_is_no_diff_for_one_file_is_refused_with_the_expected_form(diff: str, reason: str) -> None:
    assert reason in patch_error(b"one\ntwo\nthree\n", diff)


def test_every_diff_that_difflib_makes_applies_and_gives_the_new_text() -> None:
    for seed in range(300):
        dice = random.Random(seed)
        old = [dice.choice("abc") + "\n" for _ in range(dice.randrange(12))]
        new = [line for line in old if dice.random() > 0.3]
        for _ in range(dice.randrange(4)):
            new.insert(dice.randrange(len(new) + 1), dice.choice("abcd") + "\n")
        diff = "".join(difflib.unified_diff(old, new, "a", "b", n=dice.choice([0, 1, 3])))
        if diff:
            assert patched("".join(old).encode(), diff, "a.md")[0] == "".join(new).encode(), f"seed {seed}"
