"""Whether a client got everything once, in order: counted on its wire, before the library tidied it up. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from callers import Said

from speechpipe_client.demo.scoring import error_rate
from speechpipe_common.wire import FinalCaption, Realtime, ServerMessage, Translation

CLIP_BOUND = 0.5
"""Word error rate above which a clip counts as lost: Whisper tiny.en is below 0.25 on each of them."""


@dataclass(frozen=True)
class Verdict:
    """Figures of one client or, added up, of several."""

    said: int = 0
    finals: int = 0
    translations: int = 0
    doubled: int = 0
    lost: tuple[str, ...] = ()
    untranslated: int = 0
    late: int = 0
    lower: int = 0

    def __add__(self, other: "Verdict") -> "Verdict":
        """Sum."""
        return Verdict(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def clean(self) -> bool:
        """Nothing lost, doubled, late or out of order."""
        return not (self.doubled or self.lost or self.untranslated or self.late or self.lower)

    def __str__(self) -> str:
        """One line for the report."""
        return (
            f"{self.said} clips said, {self.finals} finals, {self.translations} translations, "
            f"{len(self.lost)} lost, {self.untranslated} untranslated, {self.doubled} doubled, "
            f"{self.late} partials after their final, {self.lower} lower revisions after higher"
        )


def judge(messages: Sequence[ServerMessage], said: Sequence[Said], target: str | None) -> Verdict:
    """Count what one client got."""
    finals = [message for message in messages if isinstance(message, FinalCaption)]
    texts = [message for message in messages if isinstance(message, Translation) and message.is_final]
    once = Counter([(f.segment_id, "") for f in finals] + [(t.segment_id, t.language) for t in texts])
    late, lower = _disorder(messages)
    owed = {(f.segment_id, target) for f in finals if f.text.strip() and target is not None}
    return Verdict(
        said=len(said),
        finals=len(finals),
        translations=len(texts),
        doubled=sum(count - 1 for count in once.values()),
        lost=tuple(_lost(finals, said)),
        untranslated=len(owed - set(once)),
        late=late,
        lower=lower,
    )


def _disorder(messages: Sequence[ServerMessage]) -> tuple[int, int]:
    """Partials after their final, and revisions lower than one before, by segment and language."""
    final: set[tuple[str, str]] = set()
    highest: dict[tuple[str, str], int] = {}
    late = lower = 0
    for message in messages:
        if not isinstance(message, Realtime | FinalCaption | Translation):
            continue
        key = (message.segment_id, message.language if isinstance(message, Translation) else "")
        is_final = isinstance(message, FinalCaption) or (isinstance(message, Translation) and message.is_final)
        if is_final:
            final.add(key)
        else:
            late += key in final or (message.segment_id, "") in final
        if message.rev < highest.get(key, 0):
            lower += 1
        highest[key] = max(message.rev, highest.get(key, 0))
    return late, lower


def _lost(finals: Sequence[FinalCaption], said: Sequence[Said]) -> list[str]:
    """What was said and is not in the finals of its time, with what is."""
    heard: dict[int, list[FinalCaption]] = {}
    for final in sorted(finals, key=lambda f: f.start):
        shares = [min(final.end, one.end) - max(final.start, one.start) for one in said]
        best = max(range(len(said)), key=shares.__getitem__, default=None)
        if best is not None and shares[best] > 0:
            heard.setdefault(best, []).append(final)
    lost = []
    for number, one in enumerate(said):
        text = " ".join(final.text for final in heard.get(number, ()))
        if error_rate(one.text, text, "en") > CLIP_BOUND:
            lost.append(f"at {one.start:.1f} s: {one.text!r}, heard {text!r}")
    return lost
