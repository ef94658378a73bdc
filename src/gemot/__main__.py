"""`python -m gemot` is `gemot`."""

if __name__ == "__main__":
    signals = __import__("_signal")  # before any file is searched for: Python's handler shows a traceback of the search
    if signals.getsignal(signals.SIGINT) != signals.SIG_IGN:
        signals.signal(signals.SIGINT, signals.SIG_DFL)
    from gemot.cli.start import main

    main()
