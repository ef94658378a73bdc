"""What all tests share: this folder is importable (checkers, worlds), and chance prints its seed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest
from hypothesis import settings
from worlds import KernelWorld

settings.register_profile("gemot", deadline=None, print_blob=True, database=None)
settings.load_profile("gemot")


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
