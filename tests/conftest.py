"""What all tests share: this folder is importable (checkers, worlds), and chance prints its seed."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from worlds import KernelWorld

settings.register_profile("gemot", deadline=None, print_blob=True, database=None)
settings.load_profile("gemot")


LEFT_OPEN_MAX = 30
"""An ordinary user may open 1,024 files, and one process runs hundreds of test modules."""

_OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture(autouse=True, scope="module")
def closes_its_files() -> Iterator[None]:
    """A test module that leaves files open takes them from all tests that come after it."""
    before = _open_files()
    yield
    if _open_files() > before + LEFT_OPEN_MAX:
        gc.collect()
        left = _open_files() - before
        assert left <= LEFT_OPEN_MAX, f"the tests of this module left {left} files open"


def _open_files() -> int:
    return len(os.listdir(_OPEN_FILES)) if _OPEN_FILES.is_dir() else 0


@pytest.fixture
def world() -> KernelWorld:
    """A kernel alone, before a witness that checks every law after every event."""
    return KernelWorld()


@pytest.fixture
def chance() -> Iterator[random.Random]:
    """Seeded chance; run again with GEMOT_SEED to see the same history."""
    seed = int(os.environ.get("GEMOT_SEED") or random.SystemRandom().randrange(2**32))
    print(f"GEMOT_SEED={seed}")
    yield random.Random(seed)
