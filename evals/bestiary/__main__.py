"""Lets every beast of `gemot.bestiary` loose: ``python -m evals.bestiary``. Each is a whole tree with typical grants on a
machine of its own, beside a neighbour. Prints what it tried, what contained it, what that cost and what it reached.

``--bomb N`` sets off a fork bomb of N syscalls instead, and says how long the neighbour's turns took meanwhile. Ends with 1
if anything reached beyond its grants, or the neighbour was disturbed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter

from evals.bestiary.bomb import explode, told
from evals.bestiary.running import Row, run_all
from gemot.models.bestiary import BEASTS

HEAD = "| beast | what it tried | what contained it | what it cost | what it reached |\n|---|---|---|---|---|"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m evals.bestiary", description=__doc__)
    parser.add_argument("beasts", nargs="*", metavar="BEAST", help=f"only these of: {', '.join(BEASTS)}")
    parser.add_argument("--bomb", type=int, metavar="N", help="a fork bomb of N syscalls, with times")
    asked = parser.parse_args()
    if asked.bomb:
        bomb = asyncio.run(explode(asked.bomb))
        print(told(bomb))
        return 0 if not bomb.reached and bomb.neighbour == "undisturbed" else 1
    unknown = [name for name in asked.beasts if name not in BEASTS]
    if unknown:
        parser.error(f"there is no beast {unknown[0]!r}; there are: {', '.join(BEASTS)}")
    rows = asyncio.run(run_all(tuple(asked.beasts) or tuple(BEASTS)))
    print(HEAD)
    for row in rows:
        print(line(row))
    bad = [row.beast for row in rows if row.reached or row.neighbour != "undisturbed"]
    print(
        f"\n{len(rows)} beasts; beyond its grants: {', '.join(bad) or 'none'}; the neighbour went on beside each of them"
    )
    return 1 if bad else 0


def line(row: Row) -> str:
    """A row of the table."""
    contained = "; ".join(
        one for one in (counted(row.contained, 5) and f"refused: {counted(row.contained, 5)}", _ended(row)) if one
    )
    cost = f"{row.spent.tokens:,} tokens, {row.spent.calls:,} syscalls, {row.spent.millis / 1000:.1f} s of work"
    cells = (
        f"`{row.beast}`",
        counted(row.tried, 4) or "no request in time",
        contained,
        cost,
        "; ".join(row.reached) or "nothing",
    )
    return f"| {' | '.join(cells)} |"


def counted(counts: Counter[str], most: int) -> str:
    """The most frequent, and how many there were besides."""
    named = [
        f"{name if name.isprintable() and len(name) < 30 else '...'} {count:,}"
        for name, count in counts.most_common(most)
    ]
    rest = sum(counts.values()) - sum(count for _, count in counts.most_common(most))
    return ", ".join(named) + (f" and {rest:,} more" if rest else "")


def _ended(row: Row) -> str:
    """How its processes ended: by themselves, or by which rule."""
    words = {"done": "by itself", "family": "with its parent"}
    return "ended: " + ", ".join(
        f"{words.get(rule, rule)}{f' ({count})' if row.processes > 1 else ''}"
        for rule, count in row.ended.most_common()
    )


if __name__ == "__main__":
    sys.exit(main())
