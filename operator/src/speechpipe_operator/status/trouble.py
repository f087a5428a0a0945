"""Why containers do not run, as sentences with what to do."""

from collections.abc import Sequence
from typing import Final

from speechpipe_operator.observed import ContainerTrouble, PodState
from speechpipe_operator.status.verdict import Verdict, pods_of

PULL: Final = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"}
)
CONFIGURATION: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


def trouble(component: str, pods: Sequence[PodState], total: int) -> Verdict | None:
    """What to say of pods whose containers fail; the trouble that most of them have. None where none fails."""
    bad = [(pod, pod.trouble[0]) for pod in pods if pod.trouble and not pod.terminating]
    if not bad:
        return None
    reasons = [_reason(item) for _, item in bad]
    worst = max(sorted(set(reasons)), key=reasons.count)
    of_it = [(pod, item) for (pod, item), reason in zip(bad, reasons, strict=True) if reason == worst]
    pod, item = of_it[0]
    who = pods_of(len(of_it), max(total, len(of_it)), component)
    return Verdict("False", worst, _sentence(worst, who, pod, item))


def _reason(item: ContainerTrouble) -> str:
    if item.reason in PULL:
        return "ImagePullFailed"
    if item.reason in CONFIGURATION:
        return "ConfigurationMissing"
    return "OutOfMemory" if item.reason == "OOMKilled" else "CrashLoop"


def _sentence(reason: str, who: str, pod: PodState, item: ContainerTrouble) -> str:
    said = item.message.strip()
    if reason == "ImagePullFailed":
        return f"{who} can't get an image: {said or item.reason}. Look at spec.images and its pullSecrets"
    if reason == "ConfigurationMissing":
        return f"{who} can't start: {said or item.reason}"
    if reason == "OutOfMemory":
        return f"{who} ran out of memory ({_times(item)}): raise resources.limits.memory, or take a smaller model"
    code = f" with code {item.exit_code}" if item.exit_code is not None else ""
    last = f": {said.splitlines()[-1]}" if said else ""
    return (
        f"{who} keeps ending{code} ({_times(item)}){last}. See: kubectl logs {pod.name} -c {item.container} --previous"
    )


def _times(item: ContainerTrouble) -> str:
    return f"{item.restarts} restart{'' if item.restarts == 1 else 's'} of {item.container}"
