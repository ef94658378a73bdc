"""The first thing of the command line: Ctrl-C ends it without a word while the rest is still being loaded.

Python's own handler would show a traceback of whatever import it comes into. :func:`gemot.cli.main.main` puts it back.
"""

from __future__ import annotations

signals = __import__("_signal")  # the module signal takes 2 ms to load, in which Ctrl-C would be Python's


def main() -> None:
    """`gemot`, as typed."""
    if (
        signals.getsignal(signals.SIGINT) != signals.SIG_IGN
    ):  # whoever started it in the background wants no Ctrl-C for it at all
        signals.signal(signals.SIGINT, signals.SIG_DFL)
    from gemot.cli.main import main as typed

    typed()
