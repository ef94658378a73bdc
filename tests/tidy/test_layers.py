"""Who may import whom, as the design's third section says; and the kernel stays pure."""

from __future__ import annotations

import ast

import pytest
from houses import imports, modules, package_of, shown, tree

BELOW: dict[str, set[str]] = {
    "abi": set(),
    "authority": {"abi"},
    "board": {"abi", "authority"},
    "kernel": {"abi", "authority", "board"},
    "journal": {"abi"},
    "models": {"abi"},
    "boxes": {"abi", "authority"},
    "programs": {"abi"},
    "drivers": {"abi", "authority", "boxes"},
    "machine": {"abi", "authority", "board", "kernel", "journal", "models", "boxes", "programs", "drivers"},
    "desk": {"abi", "machine"},
    "cli": {"abi", "machine", "desk"},
}
"""Package -> those that it may import."""

SAID_WHY: dict[str, set[str]] = {
    "cli": {"authority", "kernel", "journal", "models", "programs", "drivers", "boxes"},
    "drivers": {"authority"},
}
"""Beyond that: before there is a machine, the command line lists models and programs, mends a journal and probes walls. Drivers
hide the private paths that authority refuses, by the same comparison."""

IMPURE = {
    "time",
    "random",
    "asyncio",
    "os",
    "socket",
    "threading",
    "datetime",
    "subprocess",
    "pathlib",
    "io",
    "secrets",
    "uuid",
}
CLOSED_DOORS = {"open", "input", "print", "exec", "eval", "__import__"}

MODULES = modules()
PURE = sorted(name for name in MODULES if package_of(name) in ("kernel", "board", "authority", "abi"))


def test_every_package_has_its_place() -> None:
    assert {package_of(name) for name in MODULES} - {""} <= set(BELOW)


@pytest.mark.parametrize("package", sorted(BELOW))
def test_a_package_imports_only_from_those_below_it(package: str) -> None:
    allowed = BELOW[package] | SAID_WHY.get(package, set()) | {package}
    wrong = [
        f"{shown(path)} imports {one}"
        for name, path in MODULES.items()
        if package_of(name) == package
        for one in imports(path)
        if one.startswith("gemot.") and package_of(one) in BELOW and package_of(one) not in allowed
    ]
    assert not wrong, "\n".join(wrong)


def test_nobody_below_imports_the_whole() -> None:
    """`from gemot import Machine` is for those who use gemot; inside, it would tie every package to every other."""
    wrong = [
        shown(path)
        for name, path in MODULES.items()
        if package_of(name) not in ("", "cli", "desk")
        for node in ast.walk(tree(path))
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "gemot"
            and {one.name for one in node.names} - {"__version__"}
        )
    ]
    assert not wrong


@pytest.mark.parametrize("name", PURE)
def test_the_kernel_and_its_words_touch_nothing_outside(name: str) -> None:
    path = MODULES[name]
    assert not {one.split(".")[0] for one in imports(path)} & IMPURE
    called = {
        node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & CLOSED_DOORS
    assert not [node for node in ast.walk(tree(path)) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]


def test_the_words_have_no_behaviour() -> None:
    """abi is frozen data: no function, no method, no class that can change."""
    wrong: list[str] = []
    for name in PURE:
        if package_of(name) != "abi":
            continue
        for node in ast.walk(tree(MODULES[name])):
            if isinstance(node, ast.ClassDef) and "frozen" not in {keyword.arg for keyword in node.keywords}:
                wrong.append(f"{name}.{node.name} is not frozen")
            if isinstance(node, ast.FunctionDef) and node.name not in (
                "name_of",
                "length_chars",
            ):
                wrong.append(f"{name}.{node.name} is a function")
    assert not wrong


def test_the_kernel_can_be_read_in_an_hour() -> None:
    for package, most in (("kernel", 7_500), ("authority", 5_000)):
        lines = sum(len(MODULES[name].read_text().splitlines()) for name in PURE if package_of(name) == package)
        assert lines <= most, package
