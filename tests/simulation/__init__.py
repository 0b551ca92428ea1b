"""The simulator: a whole system in one process, on a clock of its own; see docs/simulation.md."""
