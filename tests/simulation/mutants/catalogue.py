"""All mutants."""

from __future__ import annotations

from typing import Final

from tests.simulation.mutants.earlier import EARLIER
from tests.simulation.mutants.front import FRONT
from tests.simulation.mutants.link import LINK
from tests.simulation.mutants.mutant import Mutant
from tests.simulation.mutants.router import ROUTER

MUTANTS: Final[list[Mutant]] = [*EARLIER, *ROUTER, *LINK, *FRONT]
