"""Secret: what a tool holds instead of a key's text, so that the key is shown by no accident."""

from __future__ import annotations

from typing import NoReturn

SHOWN = "***"


class Secret(str):
    """A secret's place: it *is* the text ``***`` wherever it is printed, formatted, put into JSON or into an error.

    :meth:`reveal` gives the value; call it where the value is needed, and keep it in no variable that lives on. A tool's
    parameter annotated with this class is filled in by the machine and is no argument of the tool.
    """

    __slots__ = ("_value",)
    _value: str

    def __new__(cls, value: str) -> Secret:
        made = super().__new__(cls, SHOWN)
        made._value = value
        return made

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is neither copied nor stored; ask for it where it is needed")
