"""Change the decision function in every small way, and see that a test notices each: ``make mutants``.

Tests are collected once. Each mutant then lives in a fork of that process, where the functions of its module get the changed
code, and is met by the tests that reach its line, fastest first. Only tests without chance count: what protects a rule is an
example that says so, not luck. Mutants that behave as the original does for every input are in ``equivalent.toml``, with why.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
import time
import tomllib
from collections import Counter, defaultdict
from pathlib import Path
from types import FrameType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [ROOT / "src" / "gemot" / name for name in ("authority", "kernel")]
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
MODULES = (
    "deciding.py",
    "rules.py",
    "labels.py",
    "mandate.py",
    "once.py",
    "documents.py",
    "narrowing.py:covers,grant_within,inherited,narrowed,within_reach,used,without_consequences",
)
"""What decides: modules of authority and the kernel, or functions of them."""
TESTS = "trusted_fields plan_forms each_once mutants mutants_sources mutants_documents mutants_paths mutants_rules mutants_narrowing mutants_mandate deciding rules labels mandate authority references families revoking copies reviews remembering"
SLOW = 0.5
"""Seconds of the processor: a test that takes longer is not tried."""
SECONDS_MAX = 60
"""Longer than all tests of one mutant take; one that runs longer runs for ever."""


class Mutation:
    """What pytest does with the tests that it has collected: run each once, then again against the mutants that it reaches."""

    def __init__(self, mutants: list[tuple[Mutant, Any]], workers: int) -> None:
        self.mutants, self.workers = mutants, workers
        self.names = {str(mutant.path): mutant.path.name for mutant, _ in mutants}
        self.reached: defaultdict[tuple[str, int], set[str]] = defaultdict(set)
        self.seconds: dict[str, float] = {}
        self.items: dict[str, pytest.Item] = {}
        self.survivors: list[Mutant] = []
        self.slow: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [one for one in items if not getattr(getattr(one, "obj", None), "is_hypothesis_test", False)]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        for item in session.items:
            if not self.passes(item):
                pytest.exit(f"{item.nodeid} fails without any change", 1)
        print(f"{len(self.items)} tests, {len(self.mutants)} mutants", flush=True)
        gc.freeze()
        self.meet()
        return True

    def passes(self, item: pytest.Item) -> bool:
        """Run one test unchanged, and note what it runs."""

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            name = self.names.get(frame.f_code.co_filename)
            if name is None:
                return None
            self.reached[name, frame.f_lineno].add(item.nodeid)
            return trace

        forget()
        began = time.process_time()
        sys.settrace(trace)
        try:
            return all(report.passed or report.skipped for report in runtestprotocol(item, log=False))
        finally:
            sys.settrace(None)
            self.seconds[item.nodeid] = time.process_time() - began

    def meet(self) -> None:
        waiting, running = self.mutants[::-1], dict[int, Mutant]()
        while waiting or running:
            while waiting and len(running) < self.workers:
                mutant, whole = waiting.pop()
                running[self.forked(mutant, whole, self.tests_of(mutant))] = mutant
            pid, status = os.wait()
            mutant = running.pop(pid)
            if status == 0:
                self.survivors.append(mutant)
                print(f"survives: {mutant.path.name}:{mutant.lines.start}\n   {mutant.key}", flush=True)
            elif os.WIFSIGNALED(status):
                self.slow[mutant.key] += 1

    def tests_of(self, mutant: Mutant) -> list[str]:
        tests = {test for line in mutant.lines for test in self.reached[mutant.path.name, line]}
        fast = (test for test in (tests if mutant.inside else self.items) if self.seconds[test] < SLOW)
        return sorted(fast, key=lambda test: self.seconds[test])

    def forked(self, mutant: Mutant, whole: Any, tests: list[str]) -> int:
        """Meet a mutant in a process of its own, which ends with 0 if no test notices it. Its pid."""
        pid = os.fork()
        if pid:
            return pid
        signal.alarm(SECONDS_MAX)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            put_in(mutant, whole)
            forget()
            for test in tests:
                if any(report.failed for report in runtestprotocol(self.items[test], log=False)):
                    os._exit(1)
            os._exit(0)
        finally:
            os._exit(2)


def without_cache(value: Any) -> Any:
    """The function that a cache stands before, or the value itself."""
    return value.__wrapped__ if hasattr(value, "cache_clear") else value


def forget() -> None:
    """Empty all caches: an answer from before the change, or from another test, would hide the lines that give it."""
    for module in [module for name, module in sys.modules.items() if name.startswith("gemot.")]:
        for value in list(vars(module).values()):
            if hasattr(value, "cache_clear") and isinstance(without_cache(value), FunctionType):
                value.cache_clear()


def put_in(mutant: Mutant, whole: Any) -> None:
    """Let the loaded functions of a module do what the mutant's do; and its constants be the mutant's."""
    module = importlib.import_module(f"gemot.{mutant.path.parent.name}.{mutant.path.stem}")
    theirs: dict[str, Any] = {"__name__": module.__name__}
    exec(mutant.code(whole), theirs)
    for name, new in theirs.items():
        old, new = without_cache(getattr(module, name, None)), without_cache(new)
        if isinstance(new, FunctionType) and isinstance(old, FunctionType) and new.__module__ == module.__name__:
            old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
        elif not mutant.inside and not isinstance(new, type) and not name.startswith("__"):
            for other in list(sys.modules.values()):
                if other.__name__.startswith("gemot.") and getattr(other, name, None) is old:
                    setattr(other, name, new)


def mutants_in(name: str) -> list[tuple[Mutant, Any]]:
    """Those of a module, or of some functions of it (``rules.py:fits,same``), each with the tree that it is a change of."""
    file, _, functions = name.partition(":")
    whole, many = mutants_of(next(folder / file for folder in PACKAGES if (folder / file).exists()))
    return [(one, whole) for one in many if not functions or one.inside in functions.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "modules", nargs="*", default=MODULES, help="files of authority or the kernel: rules.py, rules.py:fits,same"
    )
    parser.add_argument("--tests", default=TESTS, help="names of test files, with blanks between them")
    parser.add_argument("--limit", type=int, default=1_000_000, help="only so many mutants")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--equivalent", action="store_true", help="meet those that are said to be equivalent instead")
    chosen = parser.parse_args()
    os.chdir(ROOT)
    began = time.monotonic()
    found = [it for name in chosen.modules for it in mutants_in(name)]
    keys = {one.key for one, _ in found}
    same: set[str] = set(tomllib.loads(EQUIVALENT.read_text(encoding="utf-8")))
    stale = sorted(same - {one.key for name in {key.partition(":")[0] for key in same} for one, _ in mutants_in(name)})
    if stale:
        sys.exit("there are no such mutants any more, take them out of equivalent.toml:\n" + "\n".join(stale))
    tried = [it for it in found if (it[0].key in same) == chosen.equivalent][: chosen.limit]
    files = [path for name in chosen.tests.split() if (path := Path("tests", "syscalls", f"test_{name}.py")).exists()]
    mutation = Mutation(tried, chosen.workers)
    code = pytest.main(["-qq", "-p", "no:cacheprovider", "-p", "no:xdist", *map(str, files)], plugins=[mutation])
    if code:
        sys.exit(int(code))
    lives, named = len(mutation.survivors), "" if chosen.equivalent else f"; {len(same & keys)} more are equivalent"
    print(
        f"{len(tried)} mutants, {len(tried) - lives} killed ({len(mutation.slow)} of them ran for ever), {lives} survive",
        end="",
    )
    print(f"{named}; {time.monotonic() - began:.0f} s")
    sys.exit(bool(lives) != chosen.equivalent)


if __name__ == "__main__":
    main()
