"""The first thing of the command line: Ctrl-C ends it without a word while the rest is still being loaded.

Python's own handler would show a traceback of whatever import it comes into. :func:`gemot.cli.main.main` puts it back.
"""

from __future__ import annotations

signals = __import__("_signal")  # the module signal takes 2 ms to load, in which Ctrl-C would be Python's


def _use_utf8() -> None:
    """Where Python would take names and texts for ASCII (LC_ALL=C and UTF-8 mode switched off), begin again in UTF-8 mode."""
    sys = __import__("sys")
    if sys.getfilesystemencoding() in ("utf-8", "utf8") or sys.flags.utf8_mode:
        return
    arguments = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
    __import__("os").execv(sys.executable, arguments)


def main() -> None:
    """`gemot`, as typed."""
    if (
        signals.getsignal(signals.SIGINT) != signals.SIG_IGN
    ):  # whoever started it in the background wants no Ctrl-C for it at all
        signals.signal(signals.SIGINT, signals.SIG_DFL)
    _use_utf8()
    from gemot.cli.main import main as typed

    typed()
