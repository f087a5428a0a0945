"""An utterance on its way through the batched engine."""

from collections.abc import Hashable
from dataclasses import dataclass, field, replace

from speechpipe_stt.batched.attempts import FRAMES_PER_SECOND, Attempt, Verdict, best, token_limit
from speechpipe_stt.batched.features import Mel
from speechpipe_stt.batched.model import Draft
from speechpipe_stt.engine import Utterance
from speechpipe_stt.guards import DOUBTFUL, impossible
from speechpipe_stt.speech import Speech


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A draft that was not good enough to be the last."""

    draft: Draft
    verdict: Verdict


@dataclass(slots=True, eq=False)
class BatchedTask:
    """Speech, and how far its decoding has come."""

    utterance: Utterance
    speech: Speech
    mel: Mel
    context: tuple[int, ...]
    """Tokens before the start of the transcript: hotwords and prompt."""
    attempts: tuple[Attempt, ...]
    language: str | None
    probability: float = 1.0
    """Of the language."""
    tried: list[Tried] = field(default_factory=list)

    @property
    def attempt(self) -> Attempt:
        """The one that is due."""
        return self.attempts[len(self.tried)]

    @property
    def most_tokens(self) -> int:
        """What the attempt that is due may write."""
        return token_limit(self.speech.seconds, self.attempt, first=not self.tried)

    @property
    def group(self) -> Hashable:
        """One call needs windows that are not too different, one way of searching, and prompts of one length."""
        attempt = self.attempt
        return attempt.bucket, attempt.temperature, self.utterance.beam_size, len(self.context)

    @property
    def seconds(self) -> float:
        """Seconds that the encoder sees."""
        return self.attempt.window / FRAMES_PER_SECOND

    @property
    def exhausted(self) -> bool:
        """Every attempt was made that may help."""
        return len(self.tried) == len(self.attempts) or not self.tried[-1].verdict.again

    @property
    def babbled(self) -> bool:
        """An attempt did; see ``Verdict``."""
        return any(each.verdict.babbled for each in self.tried)

    def has_written(self, text: str) -> bool:
        """Whether an earlier attempt came to the same text: then a phrase that is in it twice was said twice."""
        return any(each.draft.text.casefold() == text.casefold() for each in self.tried)

    def last_resort(self) -> Draft:
        """The draft to believe when none was good; nothing of doubtful speech, nor of an impossible partial."""
        draft = self.tried[best([each.verdict for each in self.tried])].draft
        if self.babbled or draft.evidence.no_speech_probability > DOUBTFUL:
            return replace(draft, tokens=(), text="")
        if not self.utterance.fallback and impossible(draft.text, self.speech.seconds):
            return replace(draft, tokens=(), text="")
        return draft


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceTask:
    """Speech that the reference engine decodes, alone."""

    utterance: Utterance
    speech: Speech

    @property
    def group(self) -> Hashable:
        """Itself."""
        return id(self)

    @property
    def seconds(self) -> float:
        """Whole windows of 30 s."""
        return 30.0 * -(-self.speech.seconds // 30)
