"""An option that would do nothing is refused with the reason, and nothing is done."""

from __future__ import annotations

import pytest
from people import Person


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("doctor", "--yes"), "--yes"),
        (("backup", "copy", "--doubt"), "--doubt"),
        (("forget", "3", "--yes"), "--yes"),
        (("replay", "3", "--check"), "PID"),
        (("replay", "--check", "--to", "3"), "--to"),
        (("schedule", "x", "--at", "2099-01-01T09:00", "--runs", "3"), "--runs"),
        (("run", "x", "--detach", "--json"), "--json"),
        (("run", "x", "--detach", "--asks", "no"), "--asks"),
        (("run", "x", "--detach", "--show-mandate"), "--show-mandate"),
        (("run", "x", "--show-mandate", "--asks", "no"), "--asks"),
        (("resume", "--detach", "--json"), "--json"),
        (("resume", "--detach", "--asks", "wait"), "--asks"),
        (("resume", "--detach", "--quiet"), "--quiet"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(person: Person, words: tuple[str, ...], option: str) -> None:
    said = person.gemot(*words, code=2).err
    assert f"{option} would do nothing here: " in said
    assert not (person.home / "journal.db").exists() and not (person.work / "copy").exists()
