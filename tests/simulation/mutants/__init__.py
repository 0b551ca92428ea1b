"""Mutants: small faults, put into a copy of the packages, so that the simulator shows that it finds them."""
