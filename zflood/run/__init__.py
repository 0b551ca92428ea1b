"""Scenarios: the whole system started, flooded, broken, measured, reported."""
