"""Tries to get out of a box: ``python -m evals.escapes``. Every attempt is made twice, without walls and in a box.

Without walls it must get through, or it would prove nothing; in a box it must not. Says of each what came of it, and ends
with 1 if a wall leaks. ``--timing`` measures what walls cost instead; ``--only WORD`` makes the attempts with that word.
"""

from __future__ import annotations

import argparse
import os
import pty
import secrets
import sys
import termios
import time

from evals.escapes.arena import MARK
from evals.escapes.draining import draining
from evals.escapes.powers import planting, powers
from evals.escapes.reaching import files, held, kernel, network, processes
from evals.escapes.running import Pair, boxed, without_walls
from evals.escapes.timing import timing
from gemot.boxes import guarantees

GROUPS = (files, kernel, processes, network, held, powers, planting, draining)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m evals.escapes", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="WORD", help="only attempts with this word in their group or name"
    )
    parser.add_argument("--timing", action="store_true", help="measure what walls cost")
    asked = parser.parse_args()
    if asked.timing:
        timing()
        return 0
    if MARK not in os.environ:
        return in_a_terminal()
    missing = guarantees().broken
    if missing:
        print("walls that do not hold here, by their own account:")
        for name, why in missing.items():
            print(f"  {name}: {why}")
    chosen = [one for group in GROUPS for one in group.attempts if asked.only in f"{group.name} {one.name}"]
    pairs: list[Pair] = []
    for attempt in chosen:
        pair = Pair(attempt, without_walls(attempt), boxed(attempt))
        show(pair)
        pairs.append(pair)
    return summary(pairs)


def show(pair: Pair) -> None:
    without = "gets through" if pair.without.got else "not shown"
    inside = "LEAKS" if pair.boxed.got else "held"
    print(f"{pair.attempt.group:<20}{pair.attempt.name:<62}{without:<14}{inside:<7}{pair.boxed.why[:80]}")
    if not pair.without.got:
        print(f"{'':<20}  (without walls: {pair.without.why[:150]})")


def summary(pairs: list[Pair]) -> int:
    leaks = [pair for pair in pairs if pair.boxed.got]
    shown = [pair for pair in pairs if pair.without.got]
    who = "root" if os.geteuid() == 0 else "an ordinary user"
    print(
        f"\n{len(pairs)} attempts as {who}: {len(shown)} get through without walls, {len(pairs) - len(shown)} can't be shown "
        f"here; in a box {len(pairs) - len(leaks)} are held, {len(leaks)} leak"
    )
    return 1 if leaks or not pairs else 0


def in_a_terminal() -> int:
    """Start again with a terminal, for attempts to type into, and a secret in the environment, for them to read."""
    child, terminal = pty.fork()
    if not child:
        os.execve(
            sys.executable,
            [sys.executable, "-m", "evals.escapes", *sys.argv[1:]],
            {**os.environ, MARK: secrets.token_hex(16)},
        )
    facts = termios.tcgetattr(terminal)
    facts[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, facts)
    while True:
        try:
            data = os.read(terminal, 65_536)
        except OSError:
            break
        if not data:
            break
        sys.stdout.write(data.decode(errors="replace").replace("\r\n", "\n"))
        sys.stdout.flush()
    time.sleep(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    sys.exit(main())
