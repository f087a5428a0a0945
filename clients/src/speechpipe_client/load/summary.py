"""From a load as it went to its report. Pure."""

import os
from collections.abc import Iterable, Sequence

import msgspec

from speechpipe_client.demo.scoring import error_rate, normalise
from speechpipe_client.load.outcome import Outcome, cadence, outcomes
from speechpipe_client.load.report import ClientCost, ServerCost, Stage, StreamReport
from speechpipe_client.load.server import Sample
from speechpipe_client.load.spread import percentile, spread
from speechpipe_client.load.stage import Measured
from speechpipe_client.load.stream import State, Stream
from speechpipe_client.load.verdict import client_limits, sentences

PROBLEMS = 5
"""Of each stream, in the report."""


def summarise(load: Measured, silence: float, *, shared: bool) -> Stage:
    """The report of one load.

    Args:
        load: what happened.
        silence: seconds of the silence threshold.
        shared: the loaded processes run on this machine.
    """
    found = [_of_stream(stream, load) for stream in load.streams]
    every = [outcome for own, _ in found for outcome in own]
    latencies = [outcome.latency for outcome in every if outcome.latency is not None]
    client = _client(load)
    limits = client_limits(client, shared=shared)
    stage = Stage(
        streams=load.plan.streams,
        seconds=round(load.held_to - load.held_from, 3),
        held=load.count(State.DONE, State.SPEAKING),
        refused=load.count(State.REFUSED),
        failed=load.count(State.FAILED),
        cuts=sum(stream.record.cut for stream in load.streams),
        resumed=sum(stream.record.resumed for stream in load.streams),
        errors=sum(len(stream.record.problems) for stream in load.streams),
        utterances=len(every),
        complete=sum(outcome.complete for outcome in every) / len(every) if every else None,
        strays=sum(strays for _, strays in found),
        final_latency=spread(latencies),
        beyond_silence=spread([latency - silence for latency in latencies]),
        first_partial=spread([each.first_partial for each in every if each.first_partial is not None]),
        partial_gap=spread([gap for stream in load.streams for gap in cadence(stream.record)]),
        word_error_rate=words_wrong(every),
        bytes_sent=sum(stream.line.sent for stream in load.streams),
        bytes_received=sum(stream.line.received for stream in load.streams),
        client=client,
        servers=_servers(load.samples, load.held_from, load.held_to),
        limited_by_client=bool(limits),
        verdict=[f"the load itself was a limit: {reason}" for reason in limits],
        per_stream=[_report(stream, own) for stream, (own, _) in zip(load.streams, found, strict=True)],
        finals_at=_at(load, ((each.ended, each.latency) for each in every)),
        partials_at=_at(load, ((each.spoken, each.first_partial) for each in every)),
        stopped=load.stopped,
    )
    return msgspec.structs.replace(stage, verdict=[*stage.verdict, *sentences(stage)])


def words_wrong(found: Iterable[Outcome]) -> float | None:
    """Word error rate over all utterances with a known text; None without any (characters where no spaces are)."""
    wrong, words = 0.0, 0
    for outcome in found:
        clip = outcome.said.clip
        count = len(normalise(clip.text, clip.language)) if clip.text else 0
        if count:
            wrong += count * error_rate(clip.text, outcome.text, clip.language)
            words += count
    return round(wrong / words, 4) if words else None


def _of_stream(stream: Stream, load: Measured) -> tuple[list[Outcome], int]:
    """What was spoken whole while the load was held."""
    found, strays = outcomes(stream.talker.said, stream.record)
    return [each for each in found if each.spoken >= load.held_from and each.ended <= load.held_to], strays


def _report(stream: Stream, own: Sequence[Outcome]) -> StreamReport:
    latencies = spread([outcome.latency for outcome in own if outcome.latency is not None])
    return StreamReport(
        number=stream.number,
        language=stream.language,
        state=stream.state,
        utterances=len(own),
        complete=sum(outcome.complete for outcome in own),
        word_error_rate=words_wrong(own),
        latency_p95=latencies.p95 if latencies else None,
        resumed=stream.record.resumed,
        problems=stream.record.problems[:PROBLEMS],
    )


def _client(load: Measured) -> ClientCost:
    seconds = max(1e-3, load.held_to - load.held_from)
    late = sorted(late for due, late in load.lateness if load.held_from <= due <= load.held_to) or [0.0]
    cores = load.own_cpu / seconds
    share = cores / (os.cpu_count() or 1)
    return ClientCost(round(cores, 4), round(share, 4), percentile(late, 0.99), round(late[-1], 4))


def _servers(samples: Sequence[Sample], begin: float, end: float) -> list[ServerCost]:
    costs = []
    for name in dict.fromkeys(sample.name for sample in samples):
        own = [sample for sample in samples if sample.name == name and begin <= sample.at <= end]
        if len(own) >= 2:
            cores = (own[-1].cpu_seconds - own[0].cpu_seconds) / (own[-1].at - own[0].at)
            costs.append(ServerCost(name, round(cores, 3), int(max(sample.memory_bytes for sample in own))))
    return costs


def _at(load: Measured, found: Iterable[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """Seconds since the load's beginning, and the latency, for those that have one."""
    return [(round(at - load.began, 2), round(latency, 3)) for at, latency in found if latency is not None]
