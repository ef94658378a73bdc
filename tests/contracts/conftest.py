"""What the contracts of stores share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from stores import ON_FILES, STORES, Stores


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """One store of every kind."""
    made = Stores(request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=ON_FILES)
def filed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stores]:
    """One store of every kind that keeps a file."""
    made = Stores(request.param, tmp_path)
    yield made
    made.close()
