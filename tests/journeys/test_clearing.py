"""A person lets what has ended leave: in a closed home and beside a running machine, to a folder or for good."""

from __future__ import annotations

import pytest
from people import SCRIPTS, Person

LISTENER = f"scripted:{SCRIPTS / 'trouble.py'}:listener"


def ended(person: Person, count: int) -> list[int]:
    """Trees that have ended; their first processes."""
    before = roots(person)
    for number in range(count):
        person.run("notes.py:model", f"goal {number}", "-q", code=None)
    return sorted(set(roots(person)) - set(before))


def configured(person: Person, text: str) -> None:
    folder = person.folder / "config" / "gemot"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "gemot.toml").write_text(text)


def roots(person: Person) -> list[int]:
    return sorted({view["root"] for view in person.processes()})


def test_trees_leave_a_closed_home(person: Person) -> None:
    trees = ended(person, 4)
    trial = person.gemot("delete", "--keep", "1", "--dry-run")
    assert [line.split()[0] for line in trial.out.splitlines()] == [str(root) for root in trees[:3]]
    assert "3 trees would leave; nothing was changed" in trial.err and roots(person) == trees
    person.gemot("archive", "--keep", "2", "old")
    assert sorted(path.name for path in (person.work / "old").iterdir()) == [f"{root}.gemot" for root in trees[:2]]
    assert roots(person) == trees[2:]
    assert "1 tree left" in person.gemot("delete", "--keep", "1").err
    assert "0 trees left" in person.gemot("delete", "--older-than", "1d").err
    person.gemot("delete", str(trees[3]))
    assert roots(person) == []
    person.gemot("import", f"old/{trees[0]}.gemot", "--yes")
    assert roots(person) == [trees[0]]
    assert "every decision comes out the same" in person.gemot("replay", "--check").out
    assert "whole" in person.gemot("doctor", "--deep", code=None).out


def test_trees_leave_beside_a_running_machine(person: Person) -> None:
    trees = ended(person, 3)
    person.gemot("run", "wait", "--model", LISTENER, "--detach")
    (living,) = set(roots(person)) - set(trees)
    assert "2 trees left" in person.gemot("delete", "--keep", "1").err
    assert roots(person) == sorted([trees[2], living])
    assert "has not ended" in person.gemot("delete", str(living), code=2).err
    person.gemot("kill", str(living))
    assert "2 trees left" in person.gemot("delete", "--keep", "0").err
    assert roots(person) == []
    assert "every decision comes out the same" in person.gemot("replay", "--check").out


@pytest.mark.parametrize(
    "words, said",
    [
        (("delete",), "say which trees"),
        (("delete", "1", "--keep", "1"), "not both"),
        (("delete", "--keep", "-1"), "is how many of the newest stay"),
        (("delete", "--older-than", "soon"), "a number and a unit, such as 12h, 30d or 8w, not 'soon'"),
        (("delete", "77"), "there is no process 77"),
        (("archive", "x.gemot"), "gemot archive PID FILE takes one"),
    ],
)
def test_unclear_request_is_refused_and_nothing_leaves(person: Person, words: tuple[str, ...], said: str) -> None:
    trees = ended(person, 1)
    assert said in person.gemot(*words, code=2).err
    assert roots(person) == trees


@pytest.mark.parametrize(
    "text, said",
    [
        ("[retention]\nage = 'old'\n", "[retention] age is a number and a unit"),
        ("[retention.schedules]\ncount = -1\n", "Expected `int` >= 0"),
        ("[retention]\nmost = 3\n", "[retention] (count, age)"),
    ],
)
def test_wrong_rule_is_refused_by_name(person: Person, text: str, said: str) -> None:
    configured(person, text)
    assert said in person.run("notes.py:model", "goal", code=2).err


def test_rule_of_the_person_is_kept(person: Person) -> None:
    configured(person, "[retention]\ncount = 0\n")
    trees = ended(person, 2)
    assert len(trees) == 2, "a few more than the count are let be"
