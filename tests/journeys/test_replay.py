"""A journal can be replayed to any moment, and every decision in it recomputed, without models, keys or drivers."""

from __future__ import annotations

import sqlite3

from people import Person

from gemot.journal.endmark import path_of
from gemot.journal.seals import ROOT, sealed


def notes_journey(person: Person) -> None:
    person.files(one__md="Apples.\n", two__md="Pears.\n", three__md="Plums.\n")
    person.run("notes.py:model", "write index.md with a line for each note", "--program", "planner")


def test_every_decision_of_a_run_comes_out_the_same_again(person: Person) -> None:
    notes_journey(person)
    assert "every decision comes out the same" in person.gemot("replay", "--check").out


def test_a_moment_of_the_past_is_shown_as_it_was(person: Person) -> None:
    notes_journey(person)
    assert "position 0" in person.gemot("replay", "--to", "0").out
    child_was_refused = next(
        n for n in range(1, 100) if "What was refused" in person.gemot("replay", "2", "--to", str(n), code=None).out
    )
    then = person.gemot("replay", "2", "--to", str(child_was_refused)).out
    assert "Describe one.md two.md" in then and "three.md" in then and "(grant)" in then
    assert "index.md is written" not in then
    assert "there was no process 3" in person.gemot("replay", "3", "--to", "3", code=2).err


def test_a_changed_decision_is_found_and_named(person: Person) -> None:
    notes_journey(person)
    database = sqlite3.connect(person.home / "journal.db")
    rows = list(database.execute("SELECT position, at, pid, body FROM records"))
    position, _, _, body = next(row for row in rows if b'"files/read"' in row[3] and b'"trapped"' in row[3])
    forged = body.replace(b"one.md", b"two.md")
    assert forged != body
    entries = [(at, pid, forged if number == position else body) for number, at, pid, body in rows]
    (mine,) = database.execute("SELECT value FROM about WHERE key='number'").fetchone()
    for number, _, _, body, seal in sealed(ROOT, 0, entries, mine)[0]:  # who knows the form makes a chain that fits
        database.execute("UPDATE records SET body = ?, seal = ? WHERE position = ?", (body, seal, number))
    database.commit()
    database.close()
    assert "rewrote" in person.gemot("replay", "--check", code=1).err
    path_of(person.home / "journal.db").unlink()
    done = person.gemot("replay", "--check", code=1)
    assert f"first divergence: record {position}" in done.out and "two.md" in done.out
