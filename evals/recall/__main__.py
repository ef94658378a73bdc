"""What is found again: python -m evals.recall. Forty memories, each asked for in three ways.

``same``: with words of its own; ``inflected``: with other forms of them; ``other``: with none of them, as somebody asks who means the
same. The other thirty-nine memories stand in the way.
"""

from __future__ import annotations

from evals.recall.asking import WAYS, places


def main() -> None:
    print(f"{'asked for by':12} {'first':>6} {'in the first five':>18}   of")
    for way in WAYS:
        found = places(way)
        print(f"{way:12} {found.count(1):>6} {sum(0 < one <= 5 for one in found):>18}   {len(found)}")


if __name__ == "__main__":
    main()
