"""A real machine whose n-th write or sync fails: nothing is paid twice, nothing done is told as failed, nothing acknowledged is lost.

One call fails, or all from one on, with "no space" or with an error of the disk; the next machine goes on with what is there.
``GEMOT_FAILURES`` says how many lives fail (``make slow``: 200).
"""

from __future__ import annotations

import errno
import os
import random
import re
from pathlib import Path

import pytest
from shimmed import ABSENT, WHY, lived, started
from simulate import first_seed
from test_kills import TREES, Life, compare

FAILURES = int(os.environ.get("GEMOT_FAILURES") or 6)
ERRORS = (errno.ENOSPC, errno.EIO)
IN_WORDS = (
    r"(gemot\.journal\.contract\.(Full|DiskFailed|JournalError)|gemot\.machine\.errors\.MachineError|OSError): \S"
)
"""How a machine may end over its disk. That something is damaged is none of it: nothing is."""


@pytest.mark.skipif(ABSENT, reason=WHY)
def test_failing_writes_and_syncs_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    seed = first_seed()
    print(f"GEMOT_SEED={seed}")
    chance = random.Random(seed)
    home, count = tmp_path / "home", tmp_path / "count"
    whole = lived(tmp_path, TREES, UNDER=home, COUNT=count)
    calls = count.stat().st_size
    assert calls > 50 and not whole.stderr, whole.stderr
    promised, failed = started(whole.stdout), 0
    for number in range(FAILURES):
        kind = chance.choice(("all", "write", "sync"))
        at = 1 + chance.randrange(calls // (10 if kind == "sync" else 2))  # about one call in eight is a sync
        last, error = (-1, at)[number % 2], ERRORS[number // 2 % 2]
        life = lived(tmp_path, TREES, UNDER=home, AT=at, LAST=last, ERROR=error, KIND=kind)
        promised |= started(life.stdout)
        failed += bool(life.stderr)
        assert not life.stderr or re.match(IN_WORDS, life.stderr.strip().rpartition("\n")[2]), life.stderr
    assert failed, "no machine met a failure"
    Life(tmp_path, 0).finish()
    compare(tmp_path, promised)
