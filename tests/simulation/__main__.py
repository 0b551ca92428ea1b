"""`python -m tests.simulation`: see options.py."""

from tests.simulation.options import main

main()
