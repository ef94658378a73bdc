"""Names of files that differ only in composition or looks, folders with many names or far down, files with CR alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemot.drivers import files as driver
from gemot.drivers.kit import ToolError
from gemot.drivers.place import Place, PlaceMount

NFC, NFD = "caf\u00e9.txt", "cafe\u0301.txt"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place((PlaceMount("work", str(tmp_path), "rw"),))


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (NFD, NFC),
        (NFC, NFD),
        ("\ufb01le.txt", "file.txt"),
        ("file.txt", "\ufb01le.txt"),
        ("10\u202fAM.txt", "10 AM.txt"),
    ],
)
def test_the_only_file_that_a_path_is_another_spelling_of_is_read(
    tmp_path: Path, place: Place, name: str, asked: str
) -> None:
    (tmp_path / name).write_text("coffee")
    assert driver.read(place, asked) == "coffee"


def test_a_folder_on_the_way_and_a_file_that_is_edited_are_found_by_another_composition(
    tmp_path: Path, place: Place
) -> None:
    (tmp_path / "e\u0301t\u00e9").mkdir()
    (tmp_path / "e\u0301t\u00e9" / NFD).write_text("cold")
    driver.edit(place, f"\u00e9t\u00e9/{NFC}", "cold", "hot")
    assert (tmp_path / "e\u0301t\u00e9" / NFD).read_text() == "hot"
    assert driver.find(place, NFC).endswith(NFD)


def test_a_name_with_two_twins_is_not_guessed(tmp_path: Path, place: Place) -> None:
    for name in ("\u1e69.txt", "s\u0307\u0323.txt"):
        (tmp_path / name).write_text(name)
    with pytest.raises(ToolError, match="looks like it"):
        driver.read(place, "s\u0323\u0307.txt")


def test_the_exact_name_wins(tmp_path: Path, place: Place) -> None:
    for name in (NFC, NFD):
        (tmp_path / name).write_text(ascii(name))
    assert driver.read(place, NFC) == ascii(NFC)
    assert driver.read(place, NFD) == ascii(NFD)


def test_a_new_file_is_not_made_beside_one_that_differs_in_composition_only(tmp_path: Path, place: Place) -> None:
    (tmp_path / NFD).write_text("old")
    (tmp_path / "x\u00b2.txt").write_text("old")
    with pytest.raises(ToolError):
        driver.write(place, NFC, "new")
    assert driver.write(place, "x2.txt", "new").startswith("wrote x2.txt")


def test_an_ascii_name_is_not_changed_by_another_spelling(tmp_path: Path, place: Place) -> None:
    """Rules about such names compare spellings."""
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("a = 1")
    with pytest.raises(ToolError):
        driver.edit(place, ".\uff47it/config", "1", "2")
    assert driver.write(place, ".\uff47it/config", "x") and (tmp_path / ".git" / "config").read_text() == "a = 1"


def test_a_path_outside_what_a_process_sees_is_not_found_by_another_spelling(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("no")
    narrow = Place((PlaceMount("work", str(tmp_path), "rw", only=("\uff53ecret.txt",)),))
    with pytest.raises(ToolError):
        driver.read(narrow, "\uff53ecret.txt")


def test_a_name_with_a_cyrillic_letter_is_shown_with_its_code_point(tmp_path: Path, place: Place) -> None:
    (tmp_path / "d\u0430ta.txt").touch()
    with pytest.raises(ToolError, match=r"looks like it.*U\+0430"):
        driver.read(place, "data.txt")


def test_a_list_of_many_names_begins_with_the_first_by_name(tmp_path: Path, place: Place) -> None:
    for number in range(driver.ENTRIES_MAX + 200, 0, -1):
        (tmp_path / f"f{number:05}.txt").touch()
    lines = driver.list_folder(place).splitlines()
    assert [line.partition("\t")[0] for line in lines[:2]] == ["f00001.txt", "f00002.txt"]
    assert lines[-1] == "[200 more are not shown; use files/find with a pattern]"


def test_a_list_that_did_not_look_at_all_names_says_so(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "ENTRIES_COUNTED_MAX", 5)
    monkeypatch.setattr(driver, "ENTRIES_MAX", 3)
    for number in range(9):
        (tmp_path / str(number)).touch()
    assert "need not be the first by name" in driver.list_folder(place)


def test_a_search_that_stops_at_the_depth_limit_says_so(tmp_path: Path, place: Place) -> None:
    deep = tmp_path.joinpath(*["d"] * 70)
    deep.mkdir(parents=True)
    (deep / "low.txt").write_text("here")
    assert "more than 64 deep were not looked into" in driver.find(place, "low.txt")
    assert "more than 64 deep were not looked into" in driver.search(place, "here")


def test_lines_that_end_with_cr_alone_are_shown_counted_and_found_as_lines(tmp_path: Path, place: Place) -> None:
    (tmp_path / "mac.txt").write_bytes(b"one\rtwo\rthree\r")
    text = driver.read(place, "mac.txt")
    assert text.startswith("one\ntwo\nthree\n[") and "CR alone" in text and "CRLF" not in text
    assert driver.facts(place, "mac.txt")["lines"] == 3
    assert driver.search(place, "two").startswith("mac.txt:2: two")
