"""What became of each thing that was said: which finals and partials belong to it, and how late they were. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from speechpipe_client.load.record import EDGE_SECONDS, HeardFinal, HeardPartial, Record
from speechpipe_client.load.talker import Said

ONSET_SLACK_SECONDS = 0.25
"""A segment that begins so shortly before the end of an utterance belongs to the next one."""


@dataclass(slots=True)
class Outcome:
    """An utterance and what was heard of it; ``ended`` is when its last sample was spoken, by the record's clock."""

    said: Said
    spoken: float
    """When its first sample was spoken."""
    ended: float
    finals: list[HeardFinal] = field(default_factory=list)
    first_partial: float | None = None
    """Seconds from the onset of speech to the first partial."""

    @property
    def text(self) -> str:
        """What its finals say together."""
        return " ".join(final.text for final in self.finals if final.text)

    @property
    def latency(self) -> float | None:
        """Seconds from the end of speech to the final that reaches it; None if none does."""
        reaching = [each.at for each in self.finals if each.end is None or each.end >= self.said.end - EDGE_SECONDS]
        return min(reaching) - self.ended if reaching else None

    @property
    def complete(self) -> bool:
        """Whether it was finalised to its end, with a text where there is one."""
        return self.latency is not None and bool(self.text or not self.said.clip.text)


def outcomes(said: Sequence[Said], record: Record) -> tuple[list[Outcome], int]:
    """An outcome for everything that was said, and the number of finals that belong to none of it."""
    began = record.began
    if began is None:
        return [], 0
    found = [Outcome(each, began + each.onset, began + each.end) for each in said]
    strays = sum(not _give(final, found) and bool(final.text) for final in record.finals)
    for partial in record.partials:
        _begin(partial, found)
    return found, strays


def cadence(record: Record) -> list[float]:
    """Seconds between one partial of a segment and the next."""
    last: dict[str, float] = {}
    gaps = []
    for partial in record.partials:
        if partial.segment in last:
            gaps.append(partial.at - last[partial.segment])
        last[partial.segment] = partial.at
    return gaps


def _give(final: HeardFinal, found: list[Outcome]) -> bool:
    """Give a final to the utterance that it covers most of; one without times to the oldest that has none."""
    if final.start is None or final.end is None:
        waiting = [each for each in found if not each.finals and each.spoken <= final.at]
        if waiting:
            waiting[0].finals.append(final)
        return bool(waiting)
    start, end = final.start, final.end
    shares = [(min(end, each.said.end) - max(start, each.said.onset), each) for each in found]
    best = max(shares, key=lambda share: share[0], default=None)
    if best is None or best[0] <= 0:
        return False
    best[1].finals.append(final)
    return True


def _begin(partial: HeardPartial, found: list[Outcome]) -> None:
    """Note an utterance's first partial; one of a segment without a place belongs to the newest utterance."""
    if partial.position is None:
        spoken = [each for each in found if each.spoken <= partial.at]
        own = spoken[-1] if spoken else None
    else:
        position = partial.position
        own = next((each for each in found if each.said.end > position + ONSET_SLACK_SECONDS), None)
    if own is not None and own.first_partial is None and partial.at >= own.spoken:
        own.first_partial = partial.at - own.spoken
