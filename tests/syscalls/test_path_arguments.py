"""Path arguments that are lists or parts of objects: each one is held to its mount, its grant and its guard."""

from __future__ import annotations

from typing import Any

import pytest
from guarded import results
from worlds import EVERY_SYSCALL, KernelWorld

from gemot.abi.effects import PutAsk, StartTool
from gemot.abi.grants import Grant, Mount, Rule
from gemot.abi.syscalls import Call, ToolUse
from gemot.abi.tools import ToolSpec
from gemot.authority.path_arguments import unfit

HERE = (Mount("work", "/srv/data", "rw"), Mount("notes", "/srv/notes", "ro"))
TEXT = {"type": "string"}
LIST = {"type": "object", "properties": {"paths": {"type": "array", "items": TEXT}, "all": {"type": "boolean"}}}
PART = {"type": "object", "properties": {"o": {"type": "object", "properties": {"path": TEXT, "text": TEXT}}}}
DEEP = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"$ref": "#/$defs/item"}}},
    "$defs": {"item": {"type": "object", "properties": {"path": TEXT, "text": TEXT}}},
}


def tool(name: str, schema: Any, *paths: str, **words: Any) -> ToolSpec:
    return ToolSpec(f"many/{name}", "Many.", schema, words.pop("effect", "writes"), False, paths=paths, **words)


TOOLS = (
    tool("read", LIST, "paths", effect="reads"),
    tool("list", LIST, "paths", needs="rw", guards=True),
    tool("part", PART, "o.path", needs="rw", guards=True),
    tool("deep", DEEP, "items.path", needs="rw", guards=True),
)


def written(form: str, *paths: Any) -> tuple[str, dict[str, Any]]:
    """A use of each form of tool with these paths."""
    match form:
        case "list":
            return "many/list", {"paths": list(paths)}
        case "part":
            return "many/part", {"o": {"path": paths[-1], "text": "x"}}
        case _:
            return "many/deep", {"items": [{"path": path, "text": "x"} for path in paths]}


FORMS = ("list", "part", "deep")


@pytest.fixture
def world() -> KernelWorld:
    made = KernelWorld()
    made.install(TOOLS)
    return made


def use(world: KernelWorld, grant: Grant, name: str, arguments: dict[str, Any]) -> StartTool | PutAsk | str:
    """The effect of a use, or the words that refused it."""
    pid = world.tree(grants=(*EVERY_SYSCALL, grant), mounts=HERE)
    effects = world.trap(pid, Call((ToolUse(name, arguments),)))
    return next((one for one in effects if isinstance(one, StartTool | PutAsk)), None) or results(pid, effects)[0].text


@pytest.mark.parametrize("form", FORMS)
def test_paths_in_lists_and_objects_are_used_where_they_may_be_written(world: KernelWorld, form: str) -> None:
    name, arguments = written(form, "a.md", "/work/b/c.md")
    effect = use(world, Grant("many/*"), name, arguments)
    assert isinstance(effect, StartTool) and effect.arguments == arguments


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/notes/a.md", "read-only"),
        ("../a.md", "goes up"),
        ("/etc/passwd", "there is no"),
        ("a\0b", "NUL"),
    ],
)
def test_one_path_that_is_not_allowed_refuses_the_use(world: KernelWorld, form: str, path: str, words: str) -> None:
    name, arguments = written(form, "a.md", path)
    said = use(world, Grant("many/*"), name, arguments)
    assert isinstance(said, str) and words in said


@pytest.mark.parametrize("form", FORMS)
def test_a_grant_of_one_folder_holds_for_each_path(world: KernelWorld, form: str) -> None:
    argument = {"list": "paths", "part": "o.path", "deep": "items.path"}[form]
    grant = Grant("many/*", {argument: Rule(under="src")})
    name, arguments = written(form, "src/a.md", "src/b.md")
    assert isinstance(use(world, grant, name, arguments), StartTool)
    for other in ("lib/a.md", "srcs/a.md", ".", "/notes/src/a"):
        name, arguments = written(form, "src/a.md", other)
        assert isinstance(use(world, grant, name, arguments), str), other


@pytest.mark.parametrize("form", FORMS)
def test_a_path_that_runs_code_later_is_asked_about_wherever_it_stands(world: KernelWorld, form: str) -> None:
    name, arguments = written(form, "a.md", ".git/hooks/pre-commit")
    effect = use(world, Grant("many/*"), name, arguments)
    assert isinstance(effect, PutAsk)
    assert any(".git/hooks/pre-commit" in place for place in effect.asked.places.values())


@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_path_is_refused_by_its_place(world: KernelWorld, form: str) -> None:
    name, arguments = written(form, "a.md", 7)
    said = use(world, Grant("many/*"), name, arguments)
    assert isinstance(said, str) and {"list": "paths[1]", "part": "o.path", "deep": "items[1].path"}[form] in said


def test_a_list_that_is_left_out_or_empty_names_no_path(world: KernelWorld) -> None:
    for arguments in ({}, {"paths": []}):
        assert isinstance(use(world, Grant("many/*"), "many/list", arguments), StartTool)


def test_a_use_with_a_thousand_paths_is_decided(world: KernelWorld) -> None:
    name, arguments = written("list", *[f"a/{number}.md" for number in range(1_000)])
    assert isinstance(use(world, Grant("many/*", {"paths": Rule(under="a")}), name, arguments), StartTool)
    arguments["paths"][999] = "b/999.md"
    assert isinstance(use(world, Grant("many/*", {"paths": Rule(under="a")}), name, arguments), str)


@pytest.mark.parametrize(
    ("schema", "paths", "words"),
    [
        (LIST, ("path",), "did you mean"),
        (PART, ("o.file",), "has no such argument"),
        (DEEP, ("items.paths",), "has no such argument"),
        (LIST, ("all",), "neither a text nor a list"),
        ({"type": "object"}, ("path",), "has no such argument"),
        ({"type": "array"}, (), "of the type object"),
        (True, (), "must be an object"),
        (None, (), "not a JSON schema"),
        ({"properties": {"a": {"type": "thing"}}}, (), "properties.a.type"),
    ],
)
def test_a_tool_that_can_not_be_checked_is_not_installed(schema: Any, paths: tuple[str, ...], words: str) -> None:
    spec = tool("odd", schema, *paths)
    assert words in unfit(spec), unfit(spec)
    if not isinstance(schema, dict):
        return  # no journal can hold it
    world = KernelWorld()
    world.install((*TOOLS, spec))
    said = use(world, Grant("many/*"), "many/odd", {})
    assert isinstance(said, str) and "there is no tool" in said
