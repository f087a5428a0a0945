"""The calls of a CTranslate2 Whisper model that the batched engine is made of."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Final, TypeVar

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_compression_ratio, get_suppressed_tokens
from numpy.typing import NDArray

from speechpipe_stt.batched.echoes import broken_off, without_echoes
from speechpipe_stt.batched.features import Mel, rows, stacked, windowed
from speechpipe_stt.engine import Audio
from speechpipe_stt.guards import DOUBTFUL, Evidence

_ALIGNED_ON_CPU: Final = 4
"""Most texts of one alignment. All are padded to the longest, and a CPU gains nothing from more."""

FRAMES_PER_STATE: Final = 2
"""Mel frames for each state that the encoder puts out."""

QUIET: Final = -0.8
"""A mel feature of silence beside speech at a usual level."""

NO_STATES: Final[NDArray[np.float32]] = np.empty((0, 0), np.float32)

_BEST_OF: Final = 5
"""Samples drawn at a temperature above zero, as Whisper does."""

_LEAST_SHARE: Final = 4
"""Least texts that a replica is given: each reads all weights for each token (base in int8: 5.4 ms a token for one
text, 7.2 for four, 10.4 for eight)."""

_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Draft:
    """What one attempt wrote."""

    tokens: tuple[int, ...]
    """Of text alone."""
    text: str
    evidence: Evidence
    length: int
    """Tokens that were written, timestamps too."""
    heard_until: float | None = None
    """Seconds, where the decoder says that more begins there, and ends before it."""


def shares(rows: int, texts: int, replicas: int) -> list[range]:
    """Which rows each replica decodes, where each row is so many texts (beams, samples)."""
    count = max(1, min(replicas, rows * texts // _LEAST_SHARE))
    return [range(first, rows, count) for first in range(count)]


class WhisperCalls:
    """A loaded model with its tokenizers.

    Its replicas share the weights, and each computes on one thread of a CPU: that is twice as quick as two threads on
    one call, which wait for each other after each of some forty small products of a token.

    Args:
        model: Loaded.
        rules: Force timestamps on the decoder, as CTranslate2 does; absent: on a CPU, where they cost little.
    """

    def __init__(self, model: WhisperModel, *, rules: bool | None = None) -> None:
        self._model = model
        self._rules = self.on_cpu if rules is None else rules
        self._replicas = int(model.model.num_workers)
        self._threads = ThreadPoolExecutor(self._replicas, thread_name_prefix="replica")
        self._tokenizers: dict[str, Tokenizer] = {}
        self._suppressed = get_suppressed_tokens(self.tokenizer("en"), [-1])
        self._quiet = NO_STATES

    @property
    def on_cpu(self) -> bool:
        """Where it computes; else on a GPU."""
        return bool(self._model.model.device == "cpu")

    def each(self, call: Callable[[_Item], _Found], items: Sequence[_Item]) -> list[_Found]:
        """A call for each item, as many at a time as there are replicas; results in order."""
        if self._replicas == 1 or len(items) == 1:
            return [call(item) for item in items]
        return list(self._threads.map(call, items))

    @property
    def multilingual(self) -> bool:
        """Whether the model knows more than English."""
        return bool(self._model.model.is_multilingual)

    def tokenizer(self, language: str) -> Tokenizer:
        """The tokenizer with a language's tokens."""
        if language not in self._tokenizers:
            multilingual = self.multilingual
            self._tokenizers[language] = Tokenizer(
                self._model.hf_tokenizer, multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]

    def prompt(self, context: Sequence[int], language: str) -> list[int]:
        """What the decoder is given: hotwords and prompt, then the start of a transcript with timestamps.

        CTranslate2's rules for timestamps keep a decoder from saying things again, but it waits three times for them in
        each row and step: on a GPU that is ten times what decoding takes. Without them the decoder is told that there
        will be none, which ends the rules, and then that there is the first, so that it writes them by itself.
        """
        tokenizer = self.tokenizer(language)
        before = [tokenizer.sot_prev, *context] if context else []
        unruled = [] if self._rules else [tokenizer.no_timestamps, tokenizer.timestamp_begin]
        return [*before, *tokenizer.sot_sequence, *unruled]

    def features(self, audio: Audio) -> Mel:
        """Log-mel features of the audio alone, without padding."""
        mel = self._model.feature_extractor(audio)
        return np.asarray(mel, np.float32)

    def encode(self, mels: Sequence[Mel], windows: Sequence[int]) -> ctranslate2.StorageView:
        """The encoder's output, shape (batch, the longest window / 2, model width).

        A CPU encodes one utterance at a time, each in its own window: a batch outgrows the caches (base in int8, 7 s
        windows: 39 ms each alone, 89 ms each in a batch of 16). A GPU takes all at once, in the longest window.
        """
        encode, longest = self._model.model.encode, max(windows)
        if not self.on_cpu:
            return encode(windowed(mels, longest))
        encoded = self.each(lambda row: encode(windowed([mels[row]], windows[row])), range(len(mels)))
        return stacked(encoded, self._quiet_states(longest) if min(windows) < longest else NO_STATES)

    def _quiet_states(self, window: int) -> NDArray[np.float32]:
        """The encoder's output for quiet alone in a window at least as long, shape (states, model width)."""
        if len(self._quiet) * FRAMES_PER_STATE < window:
            quiet = np.full((self._model.feature_extractor.mel_filters.shape[0], 1), QUIET, np.float32)
            self._quiet = np.array(self._model.model.encode(windowed([quiet], window)))[0]
        return self._quiet

    def languages(self, encoded: ctranslate2.StorageView) -> list[tuple[str, float]]:
        """The most probable language of each row, with its probability."""
        if not self.multilingual:
            return [("en", 1.0)] * encoded.shape[0]
        found = self._model.model.detect_language(encoded)
        return [(row[0][0][2:-2], float(row[0][1])) for row in found]

    def alignments(self, lengths: Mapping[int, int]) -> list[list[int]]:
        """Rows that are best aligned together, given the tokens of each: a few of like length on a CPU.

        A GPU takes all from the first to the last, also those between them that were not asked for.
        """
        if not self.on_cpu:
            return [list(range(min(lengths), max(lengths) + 1))]
        ordered = sorted(lengths, key=lambda index: lengths[index])
        return [ordered[begin : begin + _ALIGNED_ON_CPU] for begin in range(0, len(ordered), _ALIGNED_ON_CPU)]

    def generate(
        self,
        encoded: ctranslate2.StorageView,
        prompts: Sequence[list[int]],
        *,
        beam_size: int,
        temperature: float,
        most_tokens: int,
        speech: Sequence[float],
    ) -> list[Draft]:
        """Text for each row, of so many seconds of speech each; all prompts have one length."""
        search: dict[str, float] = {"beam_size": beam_size}
        if temperature > 0:
            search = {
                "beam_size": 1,
                "num_hypotheses": _BEST_OF,
                "sampling_topk": 0,
                "sampling_temperature": temperature,
            }

        # The last token of the task is where writing begins, and a timestamp after it is written already.
        before = len([token for token in prompts[0] if token < self.tokenizer("en").timestamp_begin]) - 1

        def some(indices: Sequence[int]) -> "list[ctranslate2.models.WhisperGenerationResult]":
            found = self._model.model.generate(
                rows(encoded, indices),
                [prompts[index] for index in indices],
                # CTranslate2 writes half of this at most, and no more than what comes before leaves of it.
                max_length=max(2 * most_tokens, before + most_tokens),
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=self._suppressed,
                **search,
            )
            return list(found)

        parts = shares(len(prompts), beam_size if temperature == 0 else _BEST_OF, self._replicas)
        results = dict(zip(chain(*parts), chain(*self.each(some, parts)), strict=True))
        return [self._draft(results[index], seconds) for index, seconds in enumerate(speech)]

    def _draft(self, result: "ctranslate2.models.WhisperGenerationResult", seconds: float) -> Draft:
        tokenizer = self.tokenizer("en")
        written = result.sequences_ids[0]
        # Where there may be no speech, that it repeats itself tells something.
        if result.no_speech_prob <= DOUBTFUL:
            written = without_echoes(written, tokenizer.timestamp_begin, seconds, tokenizer.decode)
        text = tokenizer.decode(written)
        # The score is the mean over the written tokens, a given one among them; Whisper's rules take the end-of-text
        # token in.
        length = len(result.sequences_ids[0])
        probability = result.scores[0] * length / (length + 1)
        repeats = get_compression_ratio(text.strip()) if text.strip() else 0.0
        return Draft(
            tokens=tuple(token for token in written if token < tokenizer.eot),
            text=text,
            evidence=Evidence(result.no_speech_prob, probability, repeats),
            length=len(written),
            heard_until=broken_off(written, tokenizer.timestamp_begin),
        )
