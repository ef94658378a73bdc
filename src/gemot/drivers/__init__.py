"""The hands: what a process can reach in the world, written as drivers, and the drivers that ship with gemot."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gemot.drivers.kit import Driver


def shipped() -> list[Driver]:
    """The drivers that come with gemot. Imported when first asked for, not with the package.

    Those that need walls are among them where the walls hold; the first call after the computer was started finds out.
    """
    from gemot.drivers.calculator import calculator
    from gemot.drivers.clock import clock
    from gemot.drivers.copies import copies
    from gemot.drivers.files import files
    from gemot.drivers.kit import standing
    from gemot.drivers.python import python
    from gemot.drivers.shell import shell

    return standing([files, copies, calculator, clock, shell, python])
