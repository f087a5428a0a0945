"""What a load's figures say: whether the load itself was the limit, and whether a target was kept. Pure."""

from typing import Final

from speechpipe_client.load.report import ClientCost, Stage

CORE_SHARE: Final = 0.8
"""One event loop can't use more than a core; from here on it may be what is waited for."""

MACHINE_SHARE: Final = 0.2
"""From here on the load takes from servers on the same machine what they would have needed."""

LATE_SECONDS: Final = 0.05
"""Frames that go out so late at the 99th percentile are no real-time speech any more."""

COMPLETE: Final = 0.99


def client_limits(client: ClientCost, *, shared: bool) -> list[str]:
    """Why the load itself may have been the limit; nothing where it was not.

    Args:
        client: what it cost.
        shared: the loaded processes run on the same machine.
    """
    reasons = []
    if client.cores > CORE_SHARE:
        reasons.append(f"its event loop was busy for {client.cores:.0%} of the time: use several, on several machines")
    if shared and client.machine_share > MACHINE_SHARE:
        reasons.append(f"it took {client.machine_share:.0%} of the machine that the pipeline runs on")
    if client.late_p99 > LATE_SECONDS:
        reasons.append(
            f"1 % of its frames went out {1000 * client.late_p99:.0f} ms late or later: this machine is too busy, "
            "so waits are longer than those of real speakers"
        )
    return reasons


def sentences(stage: Stage) -> list[str]:
    """What is to be said of a load besides its figures."""
    said = []
    if stage.stopped:
        said.append(f"stopped after {stage.seconds:.0f} s")
    if stage.refused:
        said.append(f"{stage.refused} of {stage.streams} streams were refused")
    if stage.failed:
        said.append(f"{stage.failed} of {stage.streams} streams came to a bad end")
    if stage.complete is None:
        said.append("nothing was said from beginning to end while the load was held: hold it longer")
    elif stage.complete < 1:
        missing = round((1 - stage.complete) * stage.utterances)
        said.append(f"{missing} of {stage.utterances} utterances were not finalised")
    return said


def keeps(stage: Stage, target: float) -> bool:
    """Whether p95 beyond the silence threshold is within ``target`` seconds, nothing is missing, nobody was refused."""
    return (
        stage.beyond_silence is not None
        and stage.beyond_silence.p95 <= target
        and (stage.complete or 0.0) >= COMPLETE
        and not stage.refused
        and not stage.failed
    )
