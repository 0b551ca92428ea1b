"""`python -m tests.fuzz`: see options.py."""

from tests.fuzz.options import main

if __name__ == "__main__":
    main()
