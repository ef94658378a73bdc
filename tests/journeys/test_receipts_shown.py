"""A receipt as the person reads it: what ran, what changed and its text, where it was written and on a copy that is long gone."""

from __future__ import annotations

import json

from people import SCRIPTS, Person

MODEL = ("--model", f"scripted:{SCRIPTS / 'editing.py'}:model", "-q")

SEEN = "/work"
"""The folder as its processes see it."""


def test_what_changed_is_in_the_receipt_on_a_copy_and_without_one(person: Person) -> None:
    person.files(a__md="alpha\n")
    person.gemot("run", "edit it", *MODEL, "--work", ".:cow")
    person.gemot("discard", "1")
    on_copy = person.gemot("receipt", "1", "--diff").out
    assert f"  changed {SEEN}/a.md (+1 -1)\n  added {SEEN}/b.md (+1 -0)\n" in on_copy
    assert on_copy.endswith("+++ copy/b.md\n@@ -0,0 +1 @@\n+new\n") and "\n-alpha\n+beta\n" in on_copy
    assert (person.work / "a.md").read_text() == "alpha\n"

    person.gemot("run", "edit it", *MODEL, "--work", ".:rw")
    direct = person.gemot("receipt", "2").out
    assert f"  changed {SEEN}/a.md (+1 -1)\n  added {SEEN}/b.md (+1 -0)\n" in direct and "-alpha" not in direct
    assert "the tests pass: no receipt" in direct
    told = json.loads(person.gemot("receipt", "2", "--json", "--diff").out)
    assert [one["path"] for one in told["changes"]] == [f"{SEEN}/a.md", f"{SEEN}/b.md"]
    assert "-alpha\n+beta" in told["diffs"][0] and (person.work / "a.md").read_text() == "beta\n"
    assert len(json.loads(person.gemot("receipt", "2", "--json").out)["diffs"][0]) == 64
