"""What the scaler tells the status room and the metrics about one pipeline."""

from dataclasses import dataclass

from speechpipe_operator.autoscaling.types import Backlog, Decision
from speechpipe_operator.observed import Occupancy


@dataclass(frozen=True, slots=True)
class StageReport:
    """The newest decision about one component, and what it was made of."""

    component: str
    decision: Decision
    backlog: Backlog | None = None
    error: str = ""
    """Why there is no backlog, or why the decision could not be carried out (a refused permission, say)."""


@dataclass(frozen=True, slots=True)
class ScalingReport:
    """The newest decisions about all components that are scaled; empty until the first tick."""

    stages: tuple[StageReport, ...] = ()
    emptying: Occupancy | None = None
    """What is on the Redis that are to go; None where none is."""

    def stage(self, component: str) -> StageReport | None:
        """What was decided about that component, where it has been."""
        return next((stage for stage in self.stages if stage.component == component), None)
