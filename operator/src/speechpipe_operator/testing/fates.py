"""What becomes of a pod on a fake node, and the status that says so. Pure: pod and fate in, status out."""

from dataclasses import dataclass
from typing import Final, Literal

from speechpipe_operator.testing.nodes import now
from speechpipe_operator.testing.rest import Json


@dataclass(frozen=True, slots=True)
class PodFate:
    """State of a pod's containers, all alike but for ``waiting`` and ``last``, which meet ``container`` alone.

    ``ready`` is what probes say; ``waiting`` a reason and message that keep the container from running; ``last`` exit
    code, reason and termination message of its previous run; ``exit_code`` ends the pod (Succeeded or Failed).
    """

    ready: bool = True
    waiting: tuple[str, str] | None = None
    last: tuple[int, str, str] | None = None
    restarts: int = 0
    exit_code: int | None = None
    container: str | None = None
    """Name of the container that it concerns; the first unless given."""
    ip: str = "127.0.0.1"


READY: Final = PodFate()
"""Runs, and its probes succeed."""
STARTING: Final = PodFate(ready=False)
"""Runs, while its probes fail."""
CREATING: Final = PodFate(ready=False, waiting=("ContainerCreating", ""))
"""On its node, but not running yet."""
DONE: Final = PodFate(ready=False, exit_code=0)
"""Every container ended well, as those of a Job do."""


def image_pull(image: str, container: str | None = None) -> PodFate:
    """The image can't be pulled."""
    message = f'Back-off pulling image "{image}": ErrImagePull: failed to resolve reference "{image}": not found'
    return PodFate(ready=False, waiting=("ImagePullBackOff", message), container=container)


def crash_loop(message: str, *, exit_code: int = 1, restarts: int = 4, container: str | None = None) -> PodFate:
    """The container ends again and again; ``message`` is its termination message (the end of its log)."""
    waiting = ("CrashLoopBackOff", "back-off 1m20s restarting failed container")
    last = (exit_code, "Error", message)
    return PodFate(ready=False, waiting=waiting, last=last, restarts=restarts, container=container)


def out_of_memory(*, restarts: int = 1, container: str | None = None) -> PodFate:
    """The kernel killed the container for its memory, and it was started again."""
    return PodFate(ready=False, last=(137, "OOMKilled", ""), restarts=restarts, container=container)


def pod_status(pod: Json, fate: PodFate) -> Json:
    """The status that a kubelet would report, to be merged into ``/status``."""
    moment = now()
    spec, before = pod["spec"], pod.get("status", {})
    names = [container["name"] for container in spec["containers"]]
    concerned = fate.container or names[0]
    started = before.get("startTime", moment)
    waits = fate.waiting is not None and len(names) == 1
    conditions = {
        "PodReadyToStartContainers": True,
        "Initialized": True,
        "ContainersReady": fate.ready,
        "Ready": fate.ready,
    }
    kept = [c for c in before.get("conditions", []) if c["type"] not in conditions]
    return {
        "status": {
            "phase": _phase(fate, waits),
            "startTime": started,
            "hostIP": "127.0.0.1",
            "podIP": fate.ip,
            "podIPs": [{"ip": fate.ip}],
            "conditions": kept + [_condition(before, kind, holds, moment) for kind, holds in conditions.items()],
            "initContainerStatuses": [_initialized(c, started) for c in spec.get("initContainers", [])],
            "containerStatuses": [_container(c, fate, c["name"] == concerned, started) for c in spec["containers"]],
        }
    }


def _phase(fate: PodFate, waits: bool) -> Literal["Pending", "Running", "Succeeded", "Failed"]:
    if fate.exit_code is not None:
        return "Failed" if fate.exit_code else "Succeeded"
    # A container that ran once keeps its pod Running while it waits for the next run.
    return "Pending" if waits and fate.last is None else "Running"


def _condition(before: Json, kind: str, holds: bool, moment: str) -> Json:
    status = "True" if holds else "False"
    same = [c for c in before.get("conditions", []) if c["type"] == kind and c["status"] == status]
    since = same[0]["lastTransitionTime"] if same else moment
    unready = {} if holds else {"reason": "ContainersNotReady", "message": "containers with unready status"}
    return {"type": kind, "status": status, "lastTransitionTime": since, **unready}


def _container(container: Json, fate: PodFate, concerned: bool, started: str) -> Json:
    status = _status(container)
    waiting = fate.waiting if concerned else None
    if fate.exit_code is not None:
        reason = "Error" if fate.exit_code else "Completed"
        status["state"] = {"terminated": _terminated(fate.exit_code, reason, "", started)}
    elif waiting:
        status["state"] = {"waiting": {"reason": waiting[0], "message": waiting[1]}}
    else:
        status["state"] = {"running": {"startedAt": started}}
    runs = "running" in status["state"]
    status |= {"ready": runs and (fate.ready or not concerned), "started": runs}
    if concerned:
        status["restartCount"] = fate.restarts
        if fate.last:
            status["lastState"] = {"terminated": _terminated(*fate.last, started)}
    return status


def _initialized(container: Json, started: str) -> Json:
    """An init container that is through, or a sidecar (``restartPolicy: Always``) that runs."""
    if container.get("restartPolicy") == "Always":
        running = {"state": {"running": {"startedAt": started}}, "started": True}
        return _status(container) | running | {"ready": True}
    return _status(container) | {"ready": True, "state": {"terminated": _terminated(0, "Completed", "", started)}}


def _status(container: Json) -> Json:
    names = {"name": container["name"], "image": container["image"], "imageID": f"fake://{container['image']}"}
    return {**names, "restartCount": 0, "ready": False, "lastState": {}}


def _terminated(code: int, reason: str, message: str, moment: str) -> Json:
    return {"exitCode": code, "reason": reason, "message": message, "startedAt": moment, "finishedAt": moment}
