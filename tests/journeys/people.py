"""A person at the real command line: what they type, what they see, what is left in the journal."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
PATIENCE_SECONDS = 60.0


class Person:
    """Somebody at a terminal (without a screen): a home, a folder to work in, and the command `gemot`."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home of a person"
        self.work = folder / "wörk"
        self.work.mkdir(parents=True)
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []
        keep = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        self.environment = keep | {
            "GEMOT_HOME": str(self.home),
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "PYTHONPATH": str(ROOT / "src"),
            "NO_COLOR": "1",
        }
        if "GEMOT_DATA" not in keep and "XDG_DATA_HOME" not in keep:
            self.environment["XDG_DATA_HOME"] = str(Path(os.environ.get("HOME", "/")) / ".local" / "share")

    def files(self, **texts: str) -> None:
        """Put files into the work folder; ``__`` in a name stands for the dot."""
        for name, text in texts.items():
            (self.work / name.replace("__", ".")).write_text(text)

    def gemot(self, *words: str, code: int | None = 0, text: str | None = None, **environment: str) -> Done:
        """Type a command and wait; fails unless it ends with ``code`` (None: any)."""
        done = subprocess.run(
            [sys.executable, "-m", "gemot", *words],
            cwd=self.work,
            env=self.environment | environment,
            input=text if text is not None else "",
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        result = Done(done.returncode, done.stdout, done.stderr)
        assert code is None or done.returncode == code, result
        assert "Traceback" not in done.stderr, done.stderr
        return result

    def begin(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Type a command and go on meanwhile."""
        process = subprocess.Popen(
            [sys.executable, "-m", "gemot", *words],
            cwd=self.work,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, script: str, goal: str, *words: str, code: int | None = 0, **environment: str) -> Done:
        """`gemot run` with a scripted model, on the work folder."""
        model = f"scripted:{SCRIPTS / script}"
        return self.gemot("run", goal, "--model", model, "--work", str(self.work), *words, code=code, **environment)

    def notes(self, done: Done) -> list[dict[str, Any]]:
        """What `--json` printed."""
        return [json.loads(line) for line in done.out.splitlines()]

    def events(self) -> list[dict[str, Any]]:
        """Everything the journal holds."""
        return [json.loads(body) for body in self.query("SELECT body FROM records ORDER BY position")]

    def query(self, words: str) -> list[Any]:
        database = sqlite3.connect(f"{(self.home / 'journal.db').as_uri()}?mode=ro", uri=True)
        try:
            return [row[0] for row in database.execute(words)]
        finally:
            database.close()

    def processes(self, *home: str) -> list[dict[str, Any]]:
        """All there are; ``home``: ``--home`` and another than the person's own."""
        return self.notes(self.gemot("ps", "--all", "--json", *home))

    def until(self, condition: Callable[[], Any]) -> Any:
        """Wait for something that another process brings about."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError("what was waited for did not happen")


class Done:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"
