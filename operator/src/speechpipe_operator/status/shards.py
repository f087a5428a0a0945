"""What to say of several Redis as one, and of a change of their number."""

from collections.abc import Sequence

from speechpipe_operator.components import Plan, RedisUrl
from speechpipe_operator.objects import child_name
from speechpipe_operator.observed import Occupancy, ShardUse
from speechpipe_operator.plan import GATEWAY
from speechpipe_operator.shards import is_redis, shard_name
from speechpipe_operator.status.verdict import Verdict


def redis_ready(plan: Plan, judged: Sequence[Verdict]) -> Verdict:
    """The condition of all shards: that of the first which is not ready, or that of the one that there is."""
    if len(judged) == 1:
        return judged[0]
    ready = sum(verdict.well for verdict in judged)
    for number, verdict in enumerate(judged):
        if not verdict.well:
            said = f"{ready} of {len(judged)} ready; {_called(plan, number, len(judged))}: {verdict.message}"
            return Verdict(verdict.truth, verdict.reason, said)
    odd = [(number, verdict) for number, verdict in enumerate(judged) if verdict.reason != "AllReady"]
    said = "; ".join(f"{_called(plan, number, len(judged))}: {verdict.message}" for number, verdict in odd)
    counts = f"{len(judged)} of {len(judged)} ready"
    return Verdict("True", "Serving" if odd else "AllReady", f"{counts}; {said}" if odd else counts)


def changing(plan: Plan, wanted: int, occupancy: Occupancy | None) -> Verdict | None:
    """What a change of their number waits for; None where there are as many as the spec wants, known to all.

    Args:
        plan: the components as they are now.
        wanted: how many the spec wants.
        occupancy: what is on those that are to go.
    """
    there = sum(is_redis(component.name) for component in plan.components)
    if there > wanted:
        return Verdict("True", "ShardsEmptying", _emptying(plan, wanted, there, occupancy))
    url = plan.component(GATEWAY).env.get("REDIS_URL")
    known = len(url.components) if isinstance(url, RedisUrl) else there
    if known < there:
        said = f"new sessions go to {known} of {there} shards until the others are ready and every worker reads them"
        return Verdict("True", "ShardsJoining", said)
    return None


def _emptying(plan: Plan, wanted: int, there: int, occupancy: Occupancy | None) -> str:
    takes = f"{_called(plan, there - 1, there)} takes no new sessions and goes when it is empty"
    if there - wanted > 1:
        takes = f"shards {wanted + 1} to {there} of {there} take no new sessions and go, the last first, when empty"
    if occupancy is None:
        return f"{takes}; what is on it is looked at once all gateways have been replaced"
    if occupancy.error:
        return f"{takes}; what is on it can't be read: {occupancy.error}"
    used = [
        f"{child_name(plan.name, shard_name(use.shard))} has {_use(use)}" for use in occupancy.uses if not use.empty
    ]
    return f"{takes}; {'; '.join(used) or 'it is empty, and gateways that could still use it are being replaced'}"


def _use(use: ShardUse) -> str:
    found = [f"{count} {what}" for count, what in ((use.sessions, "sessions"), (use.jobs, "jobs")) if count]
    if not found:
        return "sessions that have ended and can be resumed for an hour"
    return " and ".join(found)


def _called(plan: Plan, number: int, count: int) -> str:
    return f"shard {number + 1} of {count} ({child_name(plan.name, shard_name(number))})"
