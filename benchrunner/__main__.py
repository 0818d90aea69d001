"""`python -m benchrunner` is the command `benchrunner`."""

from benchrunner.cli import main

if __name__ == "__main__":
    main()
