"""One stage of one pipeline: look, decide, act, once for each tick."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from speechpipe_common.keys import Keys
from speechpipe_operator.autoscaling.backlog import BacklogError, Reading, forget_consumers, read_backlog
from speechpipe_operator.autoscaling.cordons import Cordons
from speechpipe_operator.autoscaling.crew import Cordon, Hand, is_alive, workers_of
from speechpipe_operator.autoscaling.decide import decide
from speechpipe_operator.autoscaling.fixed import Places, fixed, waits_in_vain
from speechpipe_operator.autoscaling.glance import still_at_rest
from speechpipe_operator.autoscaling.hands import ScaleApi
from speechpipe_operator.autoscaling.memory import Memory
from speechpipe_operator.autoscaling.reading import Consumers, Stage
from speechpipe_operator.autoscaling.redis_source import Shards
from speechpipe_operator.autoscaling.report import StageReport
from speechpipe_operator.autoscaling.stages import ScaledStage
from speechpipe_operator.autoscaling.steps import Steps, next_steps
from speechpipe_operator.autoscaling.trust import Trust
from speechpipe_operator.autoscaling.types import Backlog, Decision, Observation, Workers
from speechpipe_operator.kube.errors import Conflict, KubeError
from speechpipe_operator.observed import Observed, PodState, WorkloadState

FORGET_SECONDS: Final = 60.0
"""Between two looks for consumers whose pods are gone."""

WHOLE_SECONDS: Final = 60.0
"""A stage at rest is read whole so often; in between a glance does."""

PATIENCE_SECONDS: Final = 60.0
"""After so long without Redis a number in the spec is carried out without asking who holds what."""

SILENT_SECONDS: Final = 30.0
"""After which a worker that does not answer its cordon is named."""


@dataclass(frozen=True, slots=True)
class View:
    """What one tick has seen of a stage."""

    workload: WorkloadState
    workers: Workers
    pods: tuple[PodState, ...]
    backlog: Backlog | None
    consumers: Consumers
    cordons: dict[str, Cordon] = field(default_factory=dict)
    error: str = ""
    """Why there is no backlog."""


class StageScaler:
    """What is remembered of a stage from tick to tick, and what is done with it.

    Args:
        stage: what the spec says; may be replaced at any time.
        names: of its streams.
        keys: of the pipeline.
        api: what acts on the cluster.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        stage: ScaledStage,
        names: Stage,
        keys: Keys,
        api: ScaleApi,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stage = stage
        self.acting = False
        """Whether something is under way, so that the next look should be soon."""
        self._names = names
        self._api = api
        self._clock = clock
        self._cordons = Cordons(keys, names.group, clock)
        self._cordons_read = False
        self._trust = Trust()
        self._reading: Reading | None = None
        self._read_at = 0.0
        """When all has to be read again, however quiet it is."""
        self._memory: Memory | None = None
        self._places: Places | None = None
        self._uid = ""
        self._written_over = ""
        """Version of the workload that a number was last applied to: while that is what is seen, it is old."""
        self._forget_at = 0.0
        self._answered_at = clock()

    async def look(self, shards: Shards, observed: Observed, error: str = "") -> View | None:
        """What is there now; None before the workload has been seen. ``error`` says why there is no Redis to ask."""
        component = self.stage.component
        workload, pods = observed.workload(component), observed.pods_of(component)
        if workload is None:
            return None
        if workload.uid != self._uid:
            self._uid, self._memory, self._places = workload.uid, None, None
        cordons: dict[str, Cordon] = {}
        backlog, consumers = None, Consumers()
        if not error:
            try:
                cordons = await self._read_cordons(shards, pods)
                reading = await self._read(shards)
                backlog, consumers = reading.backlog, reading.consumers
            except BacklogError as failure:
                self._reading, error = None, str(failure)
            else:
                self._answered_at = self._clock()
        workers = workers_of(observed, component, cordons)
        return None if workers is None else View(workload, workers, pods, backlog, consumers, cordons, error)

    def decide(self, view: View, upstream_rate: float) -> Decision:
        """How many workers there should be, by whoever decides that."""
        stage, now = self.stage, self._clock()
        if stage.mode == "fixed":
            decision, self._places = fixed(stage, view.workload, view.pods, self._places, now)
            return decision
        if stage.mode != "auto":
            return _given(stage, view.workload.desired)
        memory = self._memory or Memory.starting(view.workload.desired, now)
        observation = Observation(view.backlog, view.workers, upstream_rate, view.error)
        decision, self._memory = decide(stage.policy, observation, memory, now)
        return decision

    async def act(self, shards: Shards, view: View, decision: Decision) -> StageReport:
        """Bring the cluster closer to the decision; the report says what was in the way."""
        report = StageReport(self.stage.component, decision, view.backlog, view.error)
        self.acting = view.workload.resource_version == self._written_over
        if self.stage.mode == "paused" or self.acting:
            return report
        self.acting = decision.replicas != view.workload.desired
        try:
            if waits_in_vain(decision, view.workload, view.pods):
                await self._scale(view.workload, decision.replicas)
                return report
            if view.backlog is None or not decision.valid:
                await self._without_redis(view, decision)
                return report
            steps = await self._step(shards, view, decision)
            await self._forget_gone(shards, view)
        except Conflict:
            return report  # it has changed since it was seen: the next tick sees it
        except (KubeError, BacklogError) as failure:
            return replace(report, error=str(failure))
        return replace(report, decision=_told(decision, steps))

    async def _without_redis(self, view: View, decision: Decision) -> None:
        """More workers hurt nobody; fewer might, so that only pods without a node go: nobody is known to hold nothing.

        Somebody who has written a number must not wait for ever for a Redis that never answers: in the end the workers'
        own draining has to do.
        """
        replicas = next_steps(decision.replicas, view.workload, [Hand(pod) for pod in view.pods]).replicas
        if self.stage.mode == "fixed" and self._clock() - self._answered_at >= PATIENCE_SECONDS:
            replicas = decision.replicas
        if self.stage.mode != "external" and replicas is not None and replicas != view.workload.desired:
            await self._scale(view.workload, replicas)

    async def _step(self, shards: Shards, view: View, decision: Decision) -> Steps:
        hands = [self._hand(pod, view) for pod in view.pods]
        steps = next_steps(decision.replicas, view.workload, hands)
        self.acting = steps != Steps()
        if self.stage.mode == "external":
            steps = Steps(uncordon=steps.uncordon, unmark=steps.unmark)
        if steps.replicas is not None and steps.replicas > view.workload.desired:
            await self._scale(view.workload, steps.replicas)
        await self._cordons.lift(shards, steps.uncordon)
        for hand in steps.unmark:
            await self._api.mark(hand.pod, victim=False)
        await self._cordons.put(shards, steps.cordon)
        for hand in steps.mark:
            await self._api.mark(hand.pod, victim=True)
        if steps.replicas is not None and steps.replicas < view.workload.desired:
            await self._scale(view.workload, steps.replicas)
        return steps

    async def _scale(self, workload: WorkloadState, replicas: int) -> None:
        await self._api.scale(workload, replicas)
        self._written_over = workload.resource_version

    def _hand(self, pod: PodState, view: View) -> Hand:
        cordon = view.cordons.get(pod.name, "")
        return Hand(pod, view.consumers.pending(pod.name), cordon, self._cordons.standing_for(pod.name))

    async def _read(self, shards: Shards) -> Reading:
        """The backlog; at rest only a glance says that it is what it was, and once a minute all of it is read."""
        now = self._clock()
        known = self._reading if now < self._read_at and not self._cordons.known else None
        if known is not None and await still_at_rest(shards, self._names, known.backlog):
            return known
        self._reading, self._trust = await read_backlog(shards, self._names, self._trust)
        self._read_at = now + WHOLE_SECONDS
        return self._reading

    async def _read_cordons(self, shards: Shards, pods: Sequence[PodState]) -> dict[str, Cordon]:
        """Looked up only where there can be any: at first, while there are some, and where a pod is marked."""
        if self._cordons_read and not self._cordons.known and not any(pod.cordoned for pod in pods):
            return {}
        found = await self._cordons.read(shards, [pod.name for pod in pods])
        self._cordons_read = True
        return found

    async def _forget_gone(self, shards: Shards, view: View) -> None:
        """Consumers are called as their pods are, so those with the workload's name and without a pod are over."""
        now = self._clock()
        complete = sum(is_alive(pod) for pod in view.pods) == view.workload.existing
        if now < self._forget_at or not complete:
            return
        self._forget_at = now + FORGET_SECONDS
        there = {pod.name for pod in view.pods}
        ours = (name for name in view.consumers.states if name.startswith(f"{view.workload.name}-"))
        if gone := [name for name in ours if name not in there]:
            await forget_consumers(shards, self._names, gone)


def _given(stage: ScaledStage, current: int) -> Decision:
    if stage.mode == "external":
        return Decision(current, "External", f"Something else scales; it asks for {current}")
    return Decision(current, "Paused", f"The pipeline is paused; the number stays at {current}")


def _told(decision: Decision, steps: Steps) -> Decision:
    """The decision with those that are still waited for."""
    if not steps.waits_for:
        return decision
    busy = sum(hand.pending > 0 for hand in steps.waits_for)
    silent = [hand.pod.name for hand in steps.waits_for if hand.pending == 0 and hand.cordoned_for > SILENT_SECONDS]
    detail = f"{decision.detail}; {len(steps.waits_for)} told to take no more, {busy} of them with work in hand"
    if silent:
        detail += f"; {', '.join(silent)} has not answered for {SILENT_SECONDS:g} s"
    return replace(decision, detail=detail)
