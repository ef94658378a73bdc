"""Words about the code: they name only what exists, and what is public has words."""

from __future__ import annotations

import argparse
import ast
import importlib
import re
from pathlib import Path

import pytest
from houses import ROOT, files, modules, package_of, shown, tree

import gemot
from gemot.programs.library import load

PAGES = [path for path in files(".md") if path.parent == ROOT or "docs" in path.relative_to(ROOT).parts]
DOTTED = re.compile(r"\bgemot(?:\.\w+)+")
PATHS = re.compile(r"(?<![\w/.-])(?:src|docs|tests|examples|evals|benchmarks)/[\w./*-]+")
CODE = re.compile(r"```[^\n]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
COMMAND = re.compile(r"(?:^|[$|(]\s*)gemot ([a-z]+)\b", re.MULTILINE)
PROGRAM = re.compile(r"gemot run .*--program ([a-z]\w*)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
SETTING = re.compile(r"--set (\w+)=")
READERS = {"mine"}
"""What a page calls a program that the reader has."""
FILES_OF_OURS = {"toml", "md", "db", "py", "gguf", "sock", "log"}
"""`gemot.toml` is a file, not a module."""

every_page = pytest.mark.parametrize("page", PAGES, ids=shown)


def exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            one: object = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError as error:
            if not (error.name or "").startswith("gemot"):
                return True  # an extra is not installed here; the module is there
            continue
        for name in parts[length:]:
            fields = getattr(one, "__struct_fields__", ())
            if not hasattr(one, name) and name not in fields and name not in getattr(one, "__annotations__", {}):
                return False
            one = getattr(one, name, None)
        return True
    return False


@every_page
def test_a_page_names_only_code_that_exists(page: Path) -> None:
    named = {one for one in DOTTED.findall(page.read_text()) if one.split(".")[1] not in FILES_OF_OURS}
    missing = sorted(one for one in named if not exists(one))
    assert not missing


@every_page
def test_a_page_names_only_files_that_exist(page: Path) -> None:
    missing: list[str] = []
    for text in set(PATHS.findall(page.read_text())):
        name = text.rstrip("./")
        there = list(ROOT.glob(name)) if "*" in name else [ROOT / name] if (ROOT / name).exists() else []
        if not there and "NNNN" not in name:
            missing.append(text)
    assert not sorted(missing)


def commands() -> set[str]:
    """The commands that the command line has, asked of its own parser."""
    parser = pytest.importorskip("gemot.cli.main").parser()
    return {
        name for action in parser._actions if isinstance(action, argparse._SubParsersAction) for name in action.choices
    }


@every_page
def test_a_page_names_only_commands_that_exist(page: Path) -> None:
    code = "\n".join(block or inline for block, inline in CODE.findall(page.read_text()))
    named = set(COMMAND.findall(code))
    assert not sorted(named - commands())


def test_the_tour_has_every_command() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text()
    assert not sorted(commands() - {"serve"} - set(re.findall(r"`gemot ([a-z]+)", tour)))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if not link.startswith(("http:", "https:", "#"))]
    assert not [link for link in links if not (page.parent / link.partition("#")[0]).exists()]


def test_every_chapter_and_how_to_page_can_be_reached_from_the_readme() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in LINK.findall((ROOT / "README.md").read_text())}
    pages = [path for path in PAGES if path.parent.name in ("book", "how-to")]
    assert not [shown(path) for path in pages if path.resolve() not in linked]


@every_page
def test_a_page_names_only_programs_and_parameters_that_exist(page: Path) -> None:
    specs = {spec.name: spec for spec in load().specs()}
    code = page.read_text().replace("\\\n", " ")
    own = READERS | set(re.findall(r'^name = "(\w+)"', code, re.MULTILINE))
    wrong: list[str] = []
    for line in code.splitlines():
        for program in PROGRAM.findall(line):
            known = specs[program].parameters.get("properties", {}) if program in specs else {}
            wrong += [program] if program not in specs and program not in own else []
            wrong += [f"{program}: {name}" for name in SETTING.findall(line) if program in specs and name not in known]
    assert not wrong


@pytest.mark.parametrize(
    "name", sorted(name for name in modules() if package_of(name) in ("abi", "authority", "board", "kernel"))
)
def test_what_is_public_in_the_kernel_and_its_words_has_words(name: str) -> None:
    path = modules()[name]
    assert ast.get_docstring(tree(path)), f"{name} does not say what it is for"
    mute = [
        node.name
        for node in tree(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not _says_it_all(node)
    ]
    assert not mute


def _says_it_all(node: ast.ClassDef | ast.FunctionDef) -> bool:
    """A syscall is described in abi; the function that carries it out adds nothing. The same goes for a plain record."""
    if isinstance(node, ast.ClassDef):
        return len(node.body) <= 4 and all(isinstance(one, ast.AnnAssign) for one in node.body)
    arguments = [one.arg for one in node.args.args]
    return arguments[:2] in (["kernel", "process"], ["kernel", "parent"])


@pytest.mark.parametrize("name", gemot.__all__)
def test_what_the_library_offers_has_words(name: str) -> None:
    one = getattr(gemot, name)
    if isinstance(one, type) or callable(one):
        assert (one.__doc__ or "").strip(), f"gemot.{name} has no docstring"


@pytest.mark.parametrize("name", sorted(modules()))
def test_every_module_says_what_it_is_for(name: str) -> None:
    path = modules()[name]
    if path.read_text().strip():
        assert ast.get_docstring(tree(path)), f"{shown(path)} has no line of purpose"
