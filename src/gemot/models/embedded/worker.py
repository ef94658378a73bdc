"""The process that holds the weights: requests come in as JSON lines on stdin, replies leave as JSON lines on stdout.

Started by :mod:`gemot.models.embedded.link` as ``python -m gemot.models.embedded.worker WEIGHTS THREADS shared|plain``.
``plain``: nothing that was computed for one prompt is used for another. It opens no port and no file but the weights, and
it ends when its stdin does or when its parent dies. What the engine prints goes nowhere: the real stdout is moved away
before the engine is loaded.

In:  ``{"id": 1, "do": "score", "turns": [["user", "..."]], "lead": "", "options": ["..."]}``
     ``{"id": 2, "do": "complete", "turns": [...], "lead": "", "tokens_max": 64, "until": ["\\n"]}``
     ``{"id": 3, "do": "count", "text": "..."}`` · ``{"id": 2, "do": "cancel"}``
Out: ``{"ready": true, "unshared": "why every prompt is computed whole, or nothing"}`` or ``{"fatal": "...", "kind": "missing"}``
     once, then for a request any number of ``{"id": 2, "heard": "..."}`` and one of ``{"id": 2, "done": {...}}``,
     ``{"id": 2, "error": "...", "kind": "..."}``
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gemot.models.embedded import native
from gemot.models.embedded.weights import Cancelled, TooLong, Weights

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Desk:
    """The two ends of the pipe and what was cancelled."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        self.requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.cancelled: set[int] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            try:
                request = json.loads(line)
                if request["do"] == "cancel":
                    self.cancelled.add(request["id"])
                else:
                    self.requests.put(request)
            except (ValueError, KeyError, TypeError) as error:
                self.say({"id": None, "error": f"not a request: {error!r}", "kind": "garbled"})
        os._exit(0)

    def say(self, reply: dict[str, Any]) -> None:
        self._out.write(json.dumps(reply) + "\n")
        self._out.flush()


def _perform(weights: Weights, desk: _Desk, request: dict[str, Any]) -> dict[str, Any]:
    number = request["id"]

    def stop() -> bool:
        return number in desk.cancelled

    match request["do"]:
        case "score":
            scores, tally = weights.score(request["turns"], request["lead"], request["options"], stop)
            return {"scores": scores, **asdict(tally)}
        case "complete":
            text, finish, tally = weights.complete(
                request["turns"],
                request["lead"],
                request["tokens_max"],
                request["until"],
                stop,
                lambda piece: desk.say({"id": number, "heard": piece}),
            )
            return {"text": text, "finish": finish, **asdict(tally)}
        case "count":
            return {"tokens": weights.count(request["text"])}
        case other:
            raise ValueError(f"unknown operation {other!r}; known: score, complete, count, cancel")


def main() -> None:
    _die_with_parent()
    desk = _Desk()
    try:
        weights = Weights(Path(sys.argv[1]), int(sys.argv[2]), sharing=sys.argv[3] == "shared")
    except (native.Missing, native.Mismatch) as error:
        kind = "missing" if isinstance(error, native.Missing) else "garbled"
        desk.say({"fatal": str(error), "kind": kind})
        return
    desk.say({"ready": True, "unshared": weights.unshared})
    while True:
        request = desk.requests.get()
        try:
            began = time.monotonic()
            done = _perform(weights, desk, request)
            desk.say({"id": request["id"], "done": {**done, "millis": (time.monotonic() - began) * 1000}})
        except Cancelled:
            desk.say({"id": request["id"], "error": "cancelled", "kind": "cancelled"})
        except TooLong as error:
            desk.say({"id": request["id"], "error": str(error), "kind": "refused"})
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            desk.say({"id": request.get("id"), "error": f"{type(error).__name__}: {error}", "kind": "garbled"})
        desk.cancelled.discard(request.get("id", 0))


if __name__ == "__main__":
    main()
