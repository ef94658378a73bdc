"""The law: one pure, synchronous state machine. ``handle(event) -> effects``. No clock, no I/O, no await, no chance."""

from gemot.kernel.kernel import Kernel

__all__ = ["Kernel"]
