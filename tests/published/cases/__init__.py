"""All cases, by field."""

from __future__ import annotations

from published.cases.finance import FINANCE
from published.cases.optimization import OPTIMIZATION
from published.cases.physics import PHYSICS
from published.cases.robotics import ROBOTICS
from published.cases.signals import SIGNALS
from published.cases.statistics import STATISTICS

CASES = [*OPTIMIZATION, *PHYSICS, *STATISTICS, *ROBOTICS, *FINANCE, *SIGNALS]
