"""Trees as a checkpoint keeps them, whole. By itself: who only looks at trees needs none of the programs."""

from __future__ import annotations

import msgspec

from gemot.kernel import freezing as tables
from gemot.programs import freezing as folds


class Tree(msgspec.Struct, frozen=True):
    """A tree with its tables and its programs."""

    tables: tables.FrozenTree
    programs: folds.FrozenPrograms
    schema: int = 1
