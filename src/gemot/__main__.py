"""`python -m gemot` is `gemot`."""

from gemot.cli.start import main

if __name__ == "__main__":
    main()
