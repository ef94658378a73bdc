"""`python -m gemot` is `gemot`."""

from gemot.cli.main import main

if __name__ == "__main__":
    main()
