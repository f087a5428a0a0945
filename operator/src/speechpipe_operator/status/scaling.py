"""ScalingActive and LagTrusted: whether the number of workers can be believed in."""

from speechpipe_operator.autoscaling.report import ScalingReport, StageReport
from speechpipe_operator.status.verdict import CALLED, Verdict


def scaling_active(scaled: tuple[str, ...], report: ScalingReport, *, paused: bool) -> Verdict:
    """Whether workers are scaled as the spec wishes. ``scaled`` names the components that the operator should scale."""
    if paused:
        return Verdict("False", "Paused", "spec.paused is true")
    if not scaled:
        return Verdict("True", "NotScaled", "the numbers of workers are fixed, or set by somebody else")
    stages = [stage for name in scaled if (stage := report.stage(name))]
    if len(stages) < len(scaled):
        return Verdict("Unknown", "NotDecidedYet", "the backlog has not been read yet")
    for stage in stages:
        called = CALLED.get(stage.component, stage.component)
        if not stage.decision.valid:
            why = stage.error or stage.decision.detail
            return Verdict("False", "BacklogUnreadable", f"{called} workers stay at {stage.decision.replicas}: {why}")
        if stage.error:
            return Verdict("False", "ScalingFailed", f"{called} workers can't be scaled: {stage.error}")
    return Verdict("True", _reason(stages), "; ".join(_said(stage) for stage in stages))


def lag_trusted(scaled: tuple[str, ...], report: ScalingReport) -> Verdict:
    """Whether the backlog agrees with what it is checked against."""
    if not scaled:
        return Verdict("True", "NotScaled", "nothing is scaled by the backlog")
    read = [stage for name in scaled if (stage := report.stage(name)) and stage.backlog]
    for stage in read:
        if stage.backlog and not stage.backlog.trusted:
            return Verdict("False", "NumbersDisagree", f"{CALLED.get(stage.component)}: {stage.backlog.doubt}")
    if len(read) < len(scaled):
        return Verdict("Unknown", "NotRead", "the backlog has not been read")
    return Verdict("True", "NumbersAgree", "")


def _reason(stages: list[StageReport]) -> str:
    return "GpuStarved" if any(stage.decision.reason == "GpuStarved" for stage in stages) else "Scaling"


def _said(stage: StageReport) -> str:
    called = CALLED.get(stage.component, stage.component)
    return f"{called}: {stage.decision.replicas} ({stage.decision.reason})"
