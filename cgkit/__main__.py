"""`python -m cgkit`."""

from cgkit.cli import main

if __name__ == "__main__":
    main()
