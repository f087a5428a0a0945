"""Whether what came out of the pipeline is what was said. Pure."""

from dataclasses import dataclass, field
from typing import Final

from speechpipe_client.demo.scoring import error_rate, normalise, similar

_EDGE: Final = 2
"""First and last word are looked for among this many at that end, since one may have been heard as two."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come out for one clip."""

    name: str
    language: str
    transcript: str
    bound: float
    target: str | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out: finals in order, their translations, and what went wrong on the way."""

    finals: tuple[str, ...]
    translations: tuple[str, ...] = ()
    problems: tuple[str, ...] = field(default=())

    @property
    def text(self) -> str:
        """All finals."""
        return " ".join(self.finals)

    @property
    def translation(self) -> str:
        """All translations."""
        return " ".join(self.translations)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Error rate of a clip and every reason why it failed; none: it passed."""

    error_rate: float
    faults: tuple[str, ...]


def judge(expected: Expected, heard: Heard) -> Verdict:
    """Compare what was heard with what was said."""
    faults = list(heard.problems)
    rate = error_rate(expected.transcript, heard.text, expected.language)
    if not heard.text.strip():
        faults.append("no final came")
    else:
        faults += _text_faults(expected, heard.text, rate)
    if expected.target is not None:
        faults += _translation_faults(expected.target, heard)
    return Verdict(rate, tuple(faults))


def _text_faults(expected: Expected, text: str, rate: float) -> list[str]:
    faults = []
    if rate > expected.bound:
        faults.append(f"error rate {rate:.2f} is over {expected.bound:.2f}: heard {text!r}")
    said, heard = normalise(expected.transcript, expected.language), normalise(text, expected.language)
    if not any(similar(said[0], word) for word in heard[:_EDGE]):
        faults.append(f"the first word, {said[0]!r}, is missing")
    if not any(similar(said[-1], word) for word in heard[-_EDGE:]):
        faults.append(f"the last word, {said[-1]!r}, is missing")
    return faults


def _translation_faults(target: str, heard: Heard) -> list[str]:
    if len(heard.translations) < len(heard.finals) or not all(text.strip() for text in heard.translations):
        return [f"{len(heard.finals)} finals have {len(heard.translations)} translations into {target}"]
    if len(heard.translations) > len(heard.finals):
        return [f"a translation into {target} came twice"]
    if normalise(heard.translation, target) == normalise(heard.text, target):
        return [f"the translation into {target} is the source text again"]
    return []
