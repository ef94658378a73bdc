"""The hands: what a process can reach in the world, written as drivers, and the drivers that ship with gemot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemot.drivers.kit import Driver


def shipped() -> list[Driver]:
    """The drivers that come with gemot. Imported when first asked for, not with the package.

    A machine leaves out the tools whose walls do not hold on its computer (:func:`gemot.drivers.kit.standing`).
    """
    from gemot.drivers.calculator import calculator
    from gemot.drivers.clock import clock
    from gemot.drivers.copies import copies
    from gemot.drivers.files import files
    from gemot.drivers.python import python
    from gemot.drivers.shell import shell

    return [files, copies, calculator, clock, shell, python]
