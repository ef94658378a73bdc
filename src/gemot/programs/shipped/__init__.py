"""The programs that ship: Markdown files for AI programs, Python files for native ones."""

from __future__ import annotations

from gemot.programs.native import Native


def natives() -> tuple[Native, ...]:
    from gemot.programs.shipped.best_of import best_of
    from gemot.programs.shipped.coder import coder
    from gemot.programs.shipped.debate import debate
    from gemot.programs.shipped.label import label
    from gemot.programs.shipped.loop import loop
    from gemot.programs.shipped.parallel import parallel

    return (parallel, label, coder, best_of, loop, debate)
