"""The autoscalers of all pipelines, and what of them the process shows."""

from speechpipe_operator.autoscaling.report import ScalingReport
from speechpipe_operator.components import Plan
from speechpipe_operator.reconcile import PipelineKey
from speechpipe_operator.runtime.seen import Seen
from speechpipe_operator.spec import SpeechPipeline


class NoScalers:
    """Where Redis is not polled: every number stays as it is."""

    def update(self, seen: Seen, pipeline: SpeechPipeline, plan: Plan) -> None:
        """Nothing follows from it."""

    def drop(self, key: PipelineKey) -> None:
        """Nothing was started."""

    def report(self, key: PipelineKey) -> ScalingReport:
        """No decision was made."""
        return ScalingReport()

    def replicas(self, key: PipelineKey, component: str) -> int | None:
        """Nobody knows better than the plan."""
        return None

    async def close(self) -> None:
        """Nothing runs."""
