"""A person sees what a goal will be allowed to do before anything is read, and nothing else is done."""

from __future__ import annotations

from people import SCRIPTS, Person

GOAL = (
    "sum up the list",
    "--program",
    "careful",
    "--work",
    ".:rw",
    "--model",
    f"scripted:{SCRIPTS / 'mandate.py'}:model",
)


def test_the_plan_is_shown_and_only_what_is_endorsed_is_done(person: Person) -> None:
    person.files(list__md="old\n")
    shown = person.gemot("run", *GOAL, "--show-mandate", code=5)
    assert "1. Write the summary" in shown.err and "files/write (path: 'sum.md'; 1 times)" in shown.err
    assert "gemot answer 1 yes" in shown.err
    assert sorted(path.name for path in person.work.iterdir()) == ["list.md"], "nothing was done yet"
    assert "2. Replace the list" in person.gemot("asks").out
    assert "name steps" in person.gemot("answer", "1", "3", code=None).err
    person.gemot("answer", "1", "1")
    person.gemot("resume", "1")
    assert (person.work / "sum.md").read_text() == "the sum\n"
    assert (person.work / "list.md").read_text() == "old\n", "the second step was not endorsed"
    assert not (person.work / "other.md").exists(), "and this was in no plan"


def test_a_policy_endorses_a_kind_of_plan_in_advance(person: Person) -> None:
    person.files(list__md="old\n")
    config = person.folder / "config" / "gemot"
    config.mkdir(parents=True)
    (config / "gemot.toml").write_text('[[endorse]]\ntool = "files/*"\nwhere.path = {under = "/work"}\nuses = 2\n')
    person.gemot("run", *GOAL)
    assert (person.work / "sum.md").exists() and (person.work / "list.md").read_text() == "new\n"
    assert not (person.work / "other.md").exists()


def test_a_refused_plan_is_refused(person: Person) -> None:
    person.files(list__md="old\n")
    person.gemot("run", *GOAL, "--asks", "no")
    assert (person.work / "list.md").read_text() == "old\n"


def test_a_policy_that_can_not_be_read_is_said(person: Person) -> None:
    config = person.folder / "config" / "gemot"
    config.mkdir(parents=True)
    (config / "gemot.toml").write_text('[[endorse]]\ntol = "files/*"\n')
    assert "gemot.toml" in person.gemot("run", *GOAL, code=2).err
