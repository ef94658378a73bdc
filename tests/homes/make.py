"""Make homes for the corpus: ``python tests/homes/make.py [COMMIT ...]``; without a commit, of the code as it is here.

Each home is written by the code of its commit, in processes of their own, and is left in one of three ways:

- ``killed``: SIGKILL in the middle of the work, without a checkpoint;
- ``kept``: SIGKILL in the middle of the work, some records behind a checkpoint;
- ``closed``: closed in the middle of the work, with a checkpoint at the end.

``--to FOLDER`` writes them elsewhere than here; ``--ways killed,closed`` makes some of them only.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
BUSY = REPOSITORY / "tests/simulation/busy.py"
WAYS = {"killed": (10**9, signal.SIGKILL), "kept": (12, signal.SIGKILL), "closed": (10**9, signal.SIGINT)}
"""By way: the records between two checkpoints, and the signal."""
LINES = 20
"""Lines in the ledger after which the signal comes."""
PATIENCE_SECONDS = 60.0

RUNNER = """
import runpy, sys
from importlib import import_module
records, at_close = {records}, 1
for name, value in (("RECORDS", records), ("RECORDS_PER_PROGRAM", 0), ("RECORDS_AT_CLOSE", at_close)):
    for place in ("checkpoint", "loop", "machine"):
        try:
            module = import_module("gemot.machine." + place)
        except ImportError:
            continue
        if hasattr(module, name):
            setattr(module, name, value)
sys.argv = {arguments}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def source_of(commit: str, folder: Path) -> Path:
    """The code of a commit, unpacked; or the code here."""
    if not commit:
        return REPOSITORY
    packed = subprocess.run(
        ("git", "-C", str(REPOSITORY), "archive", commit, "src"), check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(folder, filter="data")
    return folder


def make(source: Path, way: str, folder: Path) -> str:
    """Leave ``home`` and ``ledger`` in ``folder``; returns why not, or an empty text."""
    records, number = WAYS[way]
    home, ledger = folder / "home", folder / "ledger"
    ledger.touch()
    runner = folder / "runner.py"
    runner.write_text(RUNNER.format(records=records, arguments=[str(BUSY), str(home), str(ledger), "1"]))
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(source / "src"), "TZ": "UTC"}
    with (folder / "said").open("wb") as said:
        busy = subprocess.Popen((sys.executable, str(runner)), env=environment, stdout=said, stderr=said)
        until = time.monotonic() + PATIENCE_SECONDS
        while busy.poll() is None and ledger.read_text().count("\n") < LINES and time.monotonic() < until:
            time.sleep(0.001)
        early = busy.poll() is not None or time.monotonic() >= until
        busy.send_signal(signal.SIGKILL if early else number)
        busy.wait()
    runner.unlink()
    words = (folder / "said").read_text(errors="replace").strip().splitlines()
    (folder / "said").unlink()
    return f"it ended early: {words[-1] if words else 'without a word'}" if early else ""


def pack(folder: Path, target: Path) -> None:
    """Pack ``home`` and ``ledger`` without what differs from one making to the next."""
    with tarfile.open(target, "w:xz", preset=9) as tar:
        for path in sorted(
            one
            for one in folder.rglob("*")
            if (one.is_file() and one.suffix in ("", ".db")) or one.name.endswith("-wal")
        ):
            if path.is_file() and not path.name.endswith("lock"):
                entry = tar.gettarinfo(path, str(path.relative_to(folder)))
                entry.uid = entry.gid = entry.mtime = 0
                entry.uname = entry.gname = ""
                with path.open("rb") as file:
                    tar.addfile(entry, file)


def name_of(commit: str) -> str:
    if not commit:
        sys.path.insert(0, str(REPOSITORY / "src"))
        from gemot.abi.events import RULES

        return f"rules-{RULES}"
    git = ("git", "-C", str(REPOSITORY))
    count = subprocess.run((*git, "rev-list", "--count", commit), check=True, capture_output=True, text=True).stdout
    short = subprocess.run((*git, "rev-parse", "--short=7", commit), check=True, capture_output=True, text=True).stdout
    return f"{int(count):03}-{short.strip()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs="*", default=[""])
    parser.add_argument("--to", type=Path, default=HERE)
    parser.add_argument("--ways", default=",".join(WAYS))
    asked = parser.parse_args()
    for commit in asked.commits:
        name = name_of(commit)
        with tempfile.TemporaryDirectory() as temporary:
            source = source_of(commit, Path(temporary) / "source")
            for way in asked.ways.split(","):
                folder = Path(temporary) / way
                folder.mkdir()
                why = make(source, way, folder)
                if why:
                    print(f"{name} {way}: none, {why}", flush=True)
                    continue
                target = asked.to / f"{name}-{way}.tar.xz"
                pack(folder, target)
                print(f"{target.name}: {target.stat().st_size} bytes", flush=True)


if __name__ == "__main__":
    main()
