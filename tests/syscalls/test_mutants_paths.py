"""The decision about paths: whose tree they are in, what may be written, copies of children, and files that run code later.
Each test is here because without it a changed decision went unnoticed (``make mutants``)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from test_mutants import GET, LOOK, MERGE, PUT, SENDER, WORK, decided, outcome, refusal, tool

from gemot.abi.grants import Grant, Mount, Rule
from gemot.authority.deciding import Others, Verdict

# Paths.


def test_a_path_that_is_left_out_is_the_tools_own_default_or_the_root() -> None:
    notes = Grant("disk/get", {"path": Rule(under="/srv/data//notes")})
    root = Grant("disk/get", {"path": Rule(one_of=("/srv/data//",))})
    named = {"properties": {"path": {"type": "string", "default": "notes"}}}
    assert outcome(msgspec.structs.replace(GET, schema=named), {}, notes) == "done"
    assert outcome(msgspec.structs.replace(GET, schema=named), {}, root) == "grant"
    for schema in ({}, {"properties": {}}, {"properties": {"path": {}}}):
        assert outcome(msgspec.structs.replace(GET, schema=schema), {}, root) == "done"
        assert outcome(msgspec.structs.replace(GET, schema=schema), {}, notes) == "grant"


def test_a_path_is_a_text_and_a_refusal_does_not_repeat_what_was_not_read() -> None:
    refused = refusal(GET, {"path": {"k": "secret"}})
    assert refused.rule == "malformed" and "{'k': 'secret'}" in refused.message
    refused = refusal(GET, {"path": ["a", {"k": "x" * 200}]})
    assert "path[1]" in refused.message and "x" * 60 in refused.message and "x" * 80 not in refused.message
    refused = refusal(GET, {"path": {"$from": 7, "at": "[0]"}, "more": 1})
    assert refused.rule == "malformed" and "obey" not in refused.message and "refers to" in refused.message
    refused = refusal(GET, {"path": {"k": "x"}, "a": {"$from": 7}})
    assert "{'k': 'x'}" in refused.message, "the reference is another argument's"
    refused = refusal(GET, {"a": {"$from": 7}, "path": [{"k": {"$from": 7, "at": "[0].body"}}]})
    assert "obey" not in refused.message


def test_a_path_that_is_none_here_is_refused_without_what_was_not_read() -> None:
    refused = refusal(GET, {"path": "../obey"})
    assert refused.rule == "path" and "../obey" in refused.message
    refused = refusal(GET, {"path": {"$from": 7, "at": "[0].body"}}, mounts=())
    assert refused.rule == "mount" and "obey" not in refused.message and "no path here" in refused.message
    refused = refusal(GET, {"path": "a", "more": {"$from": 7}}, mounts=())
    assert "'a'" in refused.message


def test_what_writes_needs_a_mount_that_may_be_written() -> None:
    for mode, get, put in [("ro", "done", "mount"), ("rw", "done", "done"), ("cow", "done", "done"), ("private", "done", "done")]:  # fmt: skip
        mounts = (Mount("work", "/srv/data", mode),)  # type: ignore[arg-type]
        assert outcome(GET, {"path": "a"}, mounts=mounts) == get
        assert outcome(PUT, {"path": "a"}, mounts=mounts) == put


def test_all_paths_of_a_use_are_judged() -> None:
    move = tool("disk/move", "writes", "a", "b", paths=("a", "b"), needs="rw")
    bound = Grant("disk/move", {name: Rule(under="/srv/data//notes") for name in "ab"})
    assert outcome(move, {"a": "notes/x", "b": "notes/y"}, bound) == "done"
    assert outcome(move, {"a": "x", "b": "notes/y"}, bound) == "grant"
    assert outcome(move, {"a": "notes/x", "b": "y"}, bound) == "grant"
    mounts = (WORK, Mount("old", "/srv/old", "ro"))
    assert outcome(move, {"a": "x", "b": "/old/y"}, mounts=mounts) == "mount"
    assert outcome(move, {"a": "/old/x", "b": "y"}, mounts=mounts) == "mount"


# Copies of children.

COPY = Mount("work", "/srv/data", "cow", "", "2-work")


def test_the_paths_of_a_use_about_a_child_are_the_childs() -> None:
    two = msgspec.structs.replace(LOOK, children=("child", "other"))
    theirs: Others = {2: (COPY,), 3: (Mount("mine", "/srv/other", "ro"),)}
    under = Grant("copies/look", {"path": Rule(under="/srv/data//")})
    assert outcome(two, {"child": 2, "other": 3, "path": "a"}, under, others=theirs) == "done"
    assert outcome(two, {"child": 3, "other": 2, "path": "a"}, under, others=theirs) == "grant"
    assert outcome(LOOK, {"child": 2, "path": "a"}, under, others=theirs, mounts=()) == "done"
    pathless = msgspec.structs.replace(LOOK, paths=())
    assert outcome(pathless, {"child": 9}, others={}) == "done", "no path, so nobody's mounts are looked up"


@pytest.mark.parametrize(
    ("copy", "mine", "answer"),
    [
        (COPY, WORK, "done"),
        (msgspec.structs.replace(COPY, mode="ro"), WORK, "done"),
        (COPY, msgspec.structs.replace(WORK, mode="ro"), "mount"),
        (msgspec.structs.replace(COPY, space=""), WORK, "mount"),
        (msgspec.structs.replace(COPY, folder="/srv/other"), WORK, "mount"),
        (msgspec.structs.replace(COPY, source="1-work"), WORK, "mount"),
        (msgspec.structs.replace(COPY, source="1-work"), msgspec.structs.replace(WORK, space="1-work"), "done"),
        (COPY, msgspec.structs.replace(WORK, space="1-work"), "mount"),
        (msgspec.structs.replace(COPY, beneath="notes/a"), msgspec.structs.replace(WORK, beneath="notes"), "done"),
        (COPY, msgspec.structs.replace(WORK, beneath="notes"), "mount"),
        (COPY, msgspec.structs.replace(WORK, beneath="mutant"), "mount"),
        (msgspec.structs.replace(COPY, beneath="drafts"), msgspec.structs.replace(WORK, beneath="notes"), "mount"),
    ],
)
def test_only_a_copy_of_what_one_may_write_is_merged(copy: Mount, mine: Mount, answer: str) -> None:
    use: dict[str, Any] = {"child": 2, "path": "a"}
    elsewhere = Mount("other", "/srv/elsewhere", "rw")
    for mounts in ((mine,), (mine, elsewhere), (elsewhere, mine)):
        assert outcome(MERGE, use, mounts=mounts, others={2: (copy,)}) == answer
    assert outcome(MERGE, use, mounts=(elsewhere,), others={2: (copy,)}) == "mount"
    assert outcome(LOOK, use, mounts=(elsewhere,), others={2: (copy,)}) == "done", "looking changes nothing"


# Files that run code later.


def test_a_person_is_asked_before_a_file_that_runs_later_is_written() -> None:
    verdict = decided(PUT, {"path": ".git/config", "text": "x"})
    assert verdict.ask and verdict.why.startswith("what is written at path runs code later: git")
    assert decided(PUT, {"path": "notes/a.md", "text": "x"}) == Verdict(0)
    free = msgspec.structs.replace(PUT, guards=False)
    assert outcome(free, {"path": ".git/config"}) == "done"
    assert outcome(PUT, {"path": ".git/config"}, mounts=(COPY,)) == "done", "nobody runs what is in a copy"
    hidden = (Mount("work", "/srv/.git/data", "rw"),)
    assert outcome(PUT, {"path": "a"}, mounts=hidden) == "done", "the person chose the folder"


@pytest.mark.parametrize(
    ("rule", "more", "answer"),
    [
        (Rule(one_of=("/srv/data//.envrc",)), {"endorsed": True}, "done"),
        (Rule(one_of=("/srv/data//.envrc",)), {}, "asked"),
        (Rule(one_of=("/srv/data//.envrc",)), {"endorsed": True, "unsure": ("path",)}, "asked"),
        (Rule(one_of=("/srv/data//.envrc",)), {"endorsed": True, "unsure": ("text",)}, "done"),
        (Rule(one_of=("/srv/data//.envrc",), source=(SENDER,)), {"endorsed": True}, "asked"),
        (Rule(under="/srv/data//"), {"endorsed": True}, "asked"),
        (Rule(), {"endorsed": True}, "asked"),
    ],
)
def test_a_file_that_runs_later_is_written_unasked_only_where_a_person_named_it(
    rule: Rule, more: dict[str, Any], answer: str
) -> None:
    assert outcome(PUT, {"path": ".envrc"}, Grant("disk/put", {"path": rule}, **more)) == answer


def test_each_file_that_runs_later_is_asked_about() -> None:
    move = tool("disk/move", "writes", "a", "b", paths=("a", "b"), needs="rw", guards=True)
    named = Rule(one_of=("/srv/data//.envrc",))
    one = Grant("disk/move", {"a": named}, endorsed=True)
    assert outcome(move, {"a": ".envrc", "b": "x"}, one) == "done"
    verdict = decided(move, {"a": ".envrc", "b": ".git/config"}, one)
    assert verdict.ask and verdict.why.startswith("what is written at b runs")
    both = Grant("disk/move", {"a": named, "b": named}, endorsed=True)
    assert outcome(move, {"a": ".envrc", "b": ".envrc"}, both) == "done"


def test_who_is_asked_to_break_a_rule_is_told_that_the_file_runs_later() -> None:
    grant = Grant("disk/put", {"path": Rule(under="/srv/data//notes")}, otherwise="ask")
    why = decided(PUT, {"path": ".envrc"}, grant).why
    assert "path was '.envrc'" in why and "; what is written at path runs code later: a shell" in why
    assert "runs code later" not in decided(PUT, {"path": "a.md"}, grant).why
