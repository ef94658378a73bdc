"""The files driver through its tools: what each answers, and what its errors teach."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gemot.drivers import reading, searching, shipped
from gemot.drivers.files import files
from gemot.drivers.kit import ToolError
from gemot.drivers.place import Place, PlaceMount


class Desk:
    """A folder and the tools on it, called by name with JSON arguments, as the machine does."""

    def __init__(self, folder: Path, mode: Any = "rw") -> None:
        self.folder = folder
        self.place = Place((PlaceMount("work", str(folder), mode),))

    def __call__(self, name: str, **arguments: Any) -> Any:
        tool = files.tools[f"files/{name}"]
        decoded = tool.decode(msgspec.json.encode(arguments))
        if tool.place:
            decoded[tool.place] = self.place
        return tool.function(**decoded)

    def refused(self, name: str, **arguments: Any) -> str:
        before = snapshot(self.folder)
        with pytest.raises(ToolError) as caught:
            self(name, **arguments)
        assert snapshot(self.folder) == before, "a refusal changes nothing"
        return str(caught.value)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# -- the manifest -------------------------------------------------------------------------------------------------


def test_the_drivers_that_ship_without_walls_are_files_copies_calculator_and_clock() -> None:
    without = [driver for driver in shipped() if not any(tool.spec.walls for tool in driver.tools.values())]
    assert [driver.name for driver in without] == ["files", "copies", "calculator", "clock"]
    names = [tool.name for driver in without for tool in driver.manifest().tools]
    assert sorted(names) == sorted(
        [
            "calculator/evaluate",
            "clock/now",
            "copies/diff",
            "copies/discard",
            "copies/merge",
            "copies/read",
            "files/edit",
            "files/facts",
            "files/find",
            "files/list",
            "files/overwrite",
            "files/patch",
            "files/read",
            "files/search",
            "files/view",
            "files/write",
        ]
    )


def test_every_tool_that_writes_is_marked_so_and_only_overwrite_asks_a_person() -> None:
    specs = {tool.name: tool for tool in files.manifest().tools}
    writers = {name for name, spec in specs.items() if spec.effect == "writes"}
    assert writers == {"files/write", "files/overwrite", "files/edit", "files/patch"}
    assert all((spec.needs == "rw") == (name in writers) for name, spec in specs.items())
    assert all(spec.repeatable == (name not in writers) for name, spec in specs.items())
    assert [name for name, spec in specs.items() if spec.asks] == ["files/overwrite"]
    assert all(spec.paths == ("path",) for spec in specs.values())


def test_every_description_mentions_every_argument() -> None:
    for driver in shipped():
        for spec in driver.manifest().tools:
            for argument in spec.schema["properties"]:
                assert argument in spec.description, f"{spec.name} does not explain {argument}"


# -- list, facts --------------------------------------------------------------------------------------------------


def test_list_shows_names_kinds_and_sizes_sorted_and_hides_unfinished_writes(desk: Desk) -> None:
    (desk.folder / "b.md").write_bytes(b"x" * 1204)
    (desk.folder / "a dir").mkdir()
    (desk.folder / "l").symlink_to("b.md")
    (desk.folder / "out").symlink_to("/etc/passwd")
    (desk.folder / ".gemot-1234").write_bytes(b"half")
    os.mkfifo(desk.folder / "p")
    assert desk("list").splitlines() == [
        "a dir/\tfolder",
        "b.md\tfile\t1,204 bytes",
        "l\tlink to b.md",
        "out\tlink to somewhere outside",
        "p\tpipe",
    ]
    assert desk("list", path="a dir/") == "[the folder is empty]"


def test_a_folder_of_which_a_process_sees_nothing_is_not_said_to_be_empty(desk: Desk) -> None:
    desk.place = Place((PlaceMount("work", str(desk.folder), "rw", only=("new.md",)),))
    assert "/work is empty for this process" in desk.refused("read", path="new.md")


def test_list_stays_on_one_line_for_each_name_whatever_the_name(desk: Desk) -> None:
    (desk.folder / "two\nlines\t\x1b[31m").write_bytes(b"")
    assert desk("list") == "two\\x0alines\\x09\\x1b[31m\tfile\t0 bytes"


def test_list_of_a_large_folder_says_how_many_more_there_are(desk: Desk) -> None:
    for number in range(1234):
        (desk.folder / f"{number:04}").touch()
    lines = desk("list").splitlines()
    assert len(lines) == 501
    assert lines[-1] == "[734 more are not shown; use files/find with a pattern]"


def test_list_of_a_file_says_what_to_use(desk: Desk) -> None:
    (desk.folder / "a").touch()
    assert "not a folder; use files/read" in desk.refused("list", path="a")


def test_facts_tell_size_lines_time_and_hash(desk: Desk) -> None:
    (desk.folder / "a").write_bytes(b"one\ntwo")
    os.utime(desk.folder / "a", (0, 86_400))
    assert desk("facts", path="a") == {
        "path": "a",
        "kind": "file",
        "size_bytes": 7,
        "lines": 2,
        "sha256": hashlib.sha256(b"one\ntwo").hexdigest(),
        "modified": "1970-01-02T00:00:00+00:00",
    }
    (desk.folder / "bin").write_bytes(b"\x00\n")
    assert "lines" not in desk("facts", path="bin")
    assert desk("facts", path=".")["kind"] == "folder"


# -- read ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["one\ntwo\n", "one\ntwo", "\n", "\n\n", "Übung 日本\n", "a\x0bb\x0cc\u2028d\n"])
def test_read_gives_a_whole_text_exactly(desk: Desk, text: str) -> None:
    (desk.folder / "a").write_bytes(text.encode())
    assert desk("read", path="a") == text


def test_read_says_when_there_is_more_and_how_to_go_on(desk: Desk) -> None:
    (desk.folder / "a").write_text("".join(f"{n}\n" for n in range(1, 1205)))
    assert desk("read", path="a").endswith("\n400\n[lines 1-400 of 1,204; go on with first_line=401]")
    assert desk("read", path="a", first_line=401, lines=1) == "401\n[lines 401-401 of 1,204; go on with first_line=402]"
    assert desk("read", path="a", first_line=1204) == "1204\n[lines 1204-1204 of 1,204]"


def test_read_past_the_end_says_where_the_end_is(desk: Desk) -> None:
    (desk.folder / "a").write_text("1\n2")
    assert desk.refused("read", path="a", first_line=3) == "a has 2 lines, so there is no line 3"
    assert "counted from 1" in desk.refused("read", path="a", first_line=0)


def test_read_of_an_empty_file_says_so(desk: Desk) -> None:
    (desk.folder / "a").touch()
    assert desk("read", path="a") == "[the file is empty]"


def test_read_shows_crlf_as_line_breaks_and_says_so(desk: Desk) -> None:
    (desk.folder / "a").write_bytes(b"one\r\ntwo\r\n")
    assert desk("read", path="a") == "one\ntwo\n[lines end with CRLF in the file, shown as plain line breaks]"


def test_read_leaves_out_a_byte_order_mark_and_marks_what_is_not_utf8(desk: Desk) -> None:
    (desk.folder / "bom").write_bytes(b"\xef\xbb\xbfone\n")
    assert desk("read", path="bom") == "one\n"
    (desk.folder / "latin").write_bytes(b"caf\xe9")
    assert desk("read", path="latin").startswith("caf\N{REPLACEMENT CHARACTER}\n[not UTF-8")


def test_read_refuses_binary_and_says_what_it_is(desk: Desk) -> None:
    (desk.folder / "a.png").write_bytes(b"\x89PNG\r\n" + bytes(1000))
    (desk.folder / "b").write_bytes(b"abc\x00def")
    (desk.folder / "c").write_bytes("hi".encode("utf-16"))
    assert "a.png is a PNG picture, 1,006 bytes" in desk.refused("read", path="a.png")
    assert "b is binary data, 7 bytes" in desk.refused("read", path="b")
    assert "UTF-16" in desk.refused("read", path="c")


def test_read_cuts_very_long_lines_and_stays_bounded(desk: Desk) -> None:
    (desk.folder / "long").write_text("x" * 1_000_000 + "\nend\n")
    text = desk("read", path="long")
    assert len(text) < reading.LINE_CHARS_MAX + 100
    assert text.endswith("\nend\n[cut to 20,000 characters: line 1]")
    for letter in ("é", "日", "🎈"):
        (desk.folder / "wide").write_text("x" + letter * 100_000)
        text = desk("read", path="wide")
        assert text.startswith("x" + letter * 19_999 + "\n[cut") and "not UTF-8" not in text
    (desk.folder / "many").write_text(("y" * 999 + "\n") * 1000)
    text = desk("read", path="many", lines=1000)
    assert len(text) <= reading.CHARS_MAX + 1100
    assert text.endswith("[lines 1-200 of 1,000; go on with first_line=201]")


def test_read_of_the_beginning_of_a_huge_file_is_quick(desk: Desk) -> None:
    with (desk.folder / "huge").open("wb") as file:
        file.write(b"first\n" + b"z" * 10_000 + b"\n")
        file.truncate(1 << 40)
    assert desk("read", path="huge", lines=1).startswith("first\n[lines 1-1 of more than")


# -- write, overwrite ---------------------------------------------------------------------------------------------


def test_write_makes_a_file_and_the_folders_on_the_way(desk: Desk) -> None:
    assert desk("write", path="x/y/z.md", content="one\ntwo\n") == "wrote x/y/z.md, 2 lines, 8 bytes"
    assert (desk.folder / "x/y/z.md").read_text() == "one\ntwo\n"
    assert os.listdir(desk.folder / "x/y") == ["z.md"]


def test_write_leaves_an_existing_file_alone_and_names_the_other_tools(desk: Desk) -> None:
    (desk.folder / "a").write_text("mine")
    message = desk.refused("write", path="a", content="yours")
    assert "exists already" in message and "files/edit" in message and "files/overwrite" in message
    (desk.folder / "d").mkdir()
    assert "d is a folder" in desk.refused("write", path="d", content="")
    assert "top folder" in desk.refused("write", path=".", content="")


def test_overwrite_replaces_a_file_that_exists_and_keeps_its_mode(desk: Desk) -> None:
    target = desk.folder / "run.sh"
    target.write_text("old")
    target.chmod(0o4750)
    assert (
        desk("overwrite", path="run.sh", content="new\n")
        == "replaced run.sh, 1 line, 4 bytes (before: 1 line, 3 bytes)"
    )
    assert target.read_text() == "new\n"
    assert target.stat().st_mode & 0o7777 == 0o750, "what was a program stays one, set-user-id goes"
    assert "for a new file use files/write" in desk.refused("overwrite", path="none", content="")


def test_a_new_file_has_the_mode_that_the_computer_gives_new_files(desk: Desk) -> None:
    before = os.umask(0o027)
    try:
        desk("write", path="a", content="")
    finally:
        os.umask(before)
    assert (desk.folder / "a").stat().st_mode & 0o777 == 0o640


def test_a_file_marked_read_only_is_not_changed_not_even_by_root(desk: Desk) -> None:
    (desk.folder / "a").write_text("x")
    (desk.folder / "a").chmod(0o444)
    for arguments in ({"name": "overwrite", "content": ""}, {"name": "edit", "old": "x", "new": "y"}):
        assert "marked read-only on the disk (mode 0444)" in desk.refused(path="a", **arguments)


def test_content_that_is_not_text_is_refused(desk: Desk) -> None:
    with pytest.raises(ToolError, match="half of a character at position 2"):
        files.tools["files/write"].function(desk.place, "a", "ok\ud800")
    assert os.listdir(desk.folder) == []


# -- find, search -------------------------------------------------------------------------------------------------


@pytest.fixture
def project(desk: Desk) -> Desk:
    for path in ("a.md", "src/b.md", "src/test_b.py", "src/deep/er/test_c.py", ".git/config", "src/.hidden.md"):
        (desk.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (desk.folder / path).write_text(f"this is {path}\nNeedle here\n")
    (desk.folder / "src/loop").symlink_to("..")
    return desk


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("*.md", ".", ["a.md", "src/.hidden.md", "src/b.md"]),
        ("*.md", "src", ["src/.hidden.md", "src/b.md"]),
        ("**/test_*.py", ".", ["src/deep/er/test_c.py", "src/test_b.py"]),
        ("src/**/test_*.py", ".", ["src/deep/er/test_c.py", "src/test_b.py"]),
        ("src/*.py", "/work", ["src/test_b.py"]),
        ("deep", ".", ["src/deep/"]),
        ("src/**", ".", [
            "src/", "src/.hidden.md", "src/b.md", "src/deep/", "src/deep/er/", "src/deep/er/test_c.py", "src/loop",
            "src/test_b.py",
        ]),
        ("[ab].md", ".", ["a.md", "src/b.md"]),
    ],
)  # fmt: skip
def test_find_goes_by_name_at_any_depth_or_by_the_way_from_the_folder(
    project: Desk, pattern: str, path: str, found: list[str]
) -> None:
    assert project("find", pattern=pattern, path=path).splitlines() == found


def test_find_of_nothing_says_what_may_be_wrong(project: Desk) -> None:
    assert project("find", pattern="*.{md,py}").startswith(
        "[nothing matches *.{md,py}; upper and lower case differ; {a,b}"
    )
    assert "no pattern" in project.refused("find", pattern="")
    assert "no pattern" in project.refused("find", pattern="../*")


def test_a_pattern_made_to_take_for_ever_does_not(project: Desk) -> None:
    name = "a" * 200
    (project.folder / name).touch()
    assert project("find", pattern="*a" * 60 + "b").startswith("[nothing")
    assert not searching.matches(("a",) * 60, ["**", "a"] * 30 + ["b"])


def test_find_stops_at_a_bounded_number_of_results_and_says_so(desk: Desk) -> None:
    for number in range(searching.RESULTS_MAX + 5):
        (desk.folder / f"{number}.md").touch()
    lines = desk("find", pattern="*.md").splitlines()
    assert len(lines) == searching.RESULTS_MAX + 1
    assert lines[-1].startswith("[there are more than these 200; use a narrower")


def test_search_shows_path_line_and_text_and_skips_version_control(project: Desk) -> None:
    assert project("search", text="this is src", path="src").splitlines() == [
        "src/.hidden.md:1: this is src/.hidden.md",
        "src/b.md:1: this is src/b.md",
        "src/deep/er/test_c.py:1: this is src/deep/er/test_c.py",
        "src/test_b.py:1: this is src/test_b.py",
    ]
    assert project("search", text="needle", path="a.md") == "[not found in 1 file]"
    assert project("search", text="needle", path="a.md", ignore_case=True) == "a.md:2: Needle here"
    assert "config" not in project("search", text="Needle")


def test_search_skips_binary_and_large_files_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "FILE_BYTES_MAX", 1000)
    (desk.folder / "bin").write_bytes(b"needle\x00")
    (desk.folder / "big").write_bytes(b"needle" * 1000)
    os.mkfifo(desk.folder / "pipe")
    assert desk("search", text="needle") == (
        "[not found in 0 files]\n[2 not searched: binary, unreadable or too large]"
    )


def test_search_takes_its_text_as_it_is_and_bounds_lines_and_results(desk: Desk) -> None:
    (desk.folder / "a").write_text("(a+)+$\n" + "x" * 5000 + "(a+)+$" + "y" * 5000 + "\n")
    first, second = desk("search", text="(a+)+$").splitlines()
    assert first == "a:1: (a+)+$"
    assert "(a+)+$" in second and len(second) < 320
    (desk.folder / "b").write_text("n\n" * 500)
    assert desk("search", text="n", path="b").splitlines()[-1].startswith("[there are more than these 200")
    assert "one line" in desk.refused("search", text="a\nb")
    assert "one line" in desk.refused("search", text="")


def test_a_search_that_takes_too_long_stops_and_says_so(project: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "SECONDS_MAX", -1.0)
    assert "[stopped after 0 names; give a folder further down as path]" in project("search", text="x")
    assert "[stopped after 0 names" in project("find", pattern="*")


def test_arguments_that_a_tool_does_not_have_are_refused(desk: Desk) -> None:
    with pytest.raises(msgspec.ValidationError):
        desk("read", path="a", place="/etc")
    with pytest.raises(msgspec.ValidationError):
        desk("read", path=3)
