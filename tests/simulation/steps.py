"""How a step is taken. Owns: that each kind of step is one function. Must not know: what they do."""

from __future__ import annotations

from tests.simulation.faults import FAULTS
from tests.simulation.load import LOAD
from tests.simulation.plan import Step
from tests.simulation.simulation import Simulation

_STEPS = {**LOAD, **FAULTS}


def take(simulation: Simulation, step: Step) -> None:
    """Take this step."""
    _STEPS[step.kind](simulation, step)
