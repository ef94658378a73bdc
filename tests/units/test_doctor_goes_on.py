"""Doctor names a part that can't be looked at, and looks at the others all the same."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gemot.cli import programs, repair
from gemot.cli.doctor import _look
from gemot.journal.sqlite import SqliteJournal

NOBODY = 65534
IMPORTED = programs, repair
"""The other user may not be able to read their files."""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of a user whom permissions hold, also where the tests are run by root."""
    folder = Path(tempfile.mkdtemp(prefix="gemot-test-"))
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        SqliteJournal(folder / "journal.db").close()
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path in folder.iterdir():
            path.chmod(0o700)
        shutil.rmtree(folder)


def said(home: Path) -> list[str]:
    """What doctor says of a home. The rest of what it looks at may not be there for the other user."""
    findings = itertools.takewhile(lambda finding: "configuration" not in finding.what, _look(home))
    return [f"{finding.state} {finding.what}" for finding in findings]


@pytest.mark.parametrize(
    ("name", "words"),
    [("spaces", "copies of files"), ("memories.sqlite", "memories"), ("journal.db", "journal"), ("lock", "lock")],
)
def test_an_unreadable_part_is_named_and_the_rest_is_looked_at(home: Path, name: str, words: str) -> None:
    place = home / name
    if name == "spaces":
        place.mkdir()
    else:
        place.touch()
    place.chmod(0)
    lines = said(home)
    print("\n".join(lines))
    assert any(line.startswith("broken") and words in line for line in lines)
    assert any("SQLite" in line for line in lines) and any("free there" in line for line in lines)
    assert name == "journal.db" or any("the journal is whole" in line for line in lines)
