"""How functions become tools; and that the page on writing one is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gemot.drivers.kit import Driver
from gemot.drivers.place import Place

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-tool.md"


def test_the_page_on_writing_a_tool_runs_as_it_stands(tmp_path: Path) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    names["test_count"](tmp_path)
    spec = names["words"].manifest().tools[0]
    assert (spec.name, spec.effect, spec.paths) == ("words/count", "reads", ("path",))


def test_a_place_is_not_an_argument_and_types_and_defaults_are_in_the_schema() -> None:
    driver = Driver("d", "A driver.")

    @driver.tool(effect="computes", repeatable=True)
    def f(here: Place, a: str, b: int = 3) -> str:
        """What it does."""
        return a * b

    tool = driver.tools["d/f"]
    assert tool.place == "here"
    assert tool.spec.schema["properties"] == {"a": {"type": "string"}, "b": {"type": "integer", "default": 3}}
    assert tool.spec.schema["required"] == ["a"]
    assert tool.decode('{"a": "x"}') == {"a": "x", "b": 3}


@pytest.mark.parametrize("raw", ["{}", '{"a": 1}', '{"a": "x", "here": "/etc"}', "[]", "", '{"a": "x"', '{"a": null}'])
def test_arguments_that_do_not_fit_are_refused(raw: str) -> None:
    driver = Driver("d", "A driver.")

    @driver.tool(effect="computes", repeatable=True)
    def f(here: Place, a: str) -> str:
        """What it does."""
        return a

    with pytest.raises(msgspec.DecodeError):
        driver.tools["d/f"].decode(raw)


def test_a_tool_without_a_description_a_type_or_a_name_of_its_own_is_refused_when_it_is_made() -> None:
    driver = Driver("d", "A driver.")
    mark = driver.tool(effect="computes", repeatable=True, name="f")

    def silent(a: str) -> str:
        return a

    def untyped(a) -> str:  # type: ignore[no-untyped-def]
        """Words."""
        return a

    def good(a: str) -> str:
        """Words."""
        return a

    with pytest.raises(ValueError, match="no docstring"):
        mark(silent)
    with pytest.raises(ValueError, match="has no type"):
        mark(untyped)
    mark(good)
    with pytest.raises(ValueError, match="already"):
        mark(good)
    for name in ("Files", "a/b", "", "a b"):
        with pytest.raises(ValueError, match="driver name"):
            Driver(name, "A driver.")
