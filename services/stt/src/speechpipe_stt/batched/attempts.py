"""How an utterance is tried, and when the next attempt is due: decisions on numbers, no model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speechpipe_stt.guards import DOUBTFUL, LOW_LOG_PROBABILITY, REPETITIVE, Evidence, invented

FRAMES_PER_SECOND: Final = 100
"""Mel frames in a second of audio."""

FULL_WINDOW: Final = 3000
"""Frames that Whisper was trained on: 30 s."""

WINDOWS: Final = (300, 400, 500, 600, 700, 850, 1000, 1200, 1400, 1800, 2300, FULL_WINDOW)
"""Few, so that utterances of like length share a call; each at most a third longer than the one before."""

BUCKETS: Final = (500, 850, 1400, FULL_WINDOW)
"""Windows up to one of these share calls of the decoder: it reads all weights for each token, whoever the token is for,
but what it reads of the encoder's output grows with the longest window of the call."""

MARGIN: Final = 130
"""Least frames of quiet after the speech. With 30 the decoder repeats itself on every fourth clip; from 100 on the
word error rate is that of the full window."""

WIDE_MARGIN: Final = 500
"""The same for a second attempt."""

IMPROBABLE: Final = -1.0
"""Average log-probability of a token below which a text is tried again (Radford et al. 2022, section 4.5)."""


VERY_IMPROBABLE: Final = -1.2
"""The same for a partial, and only where there may be no speech."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way of decoding."""

    window: int
    """Frames that the encoder sees."""
    temperature: float = 0.0

    @property
    def bucket(self) -> int:
        """The longest window that shares a call with this one."""
        return next(most for most in BUCKETS if self.window <= most)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an attempt was worth."""

    good: bool
    """No further attempt is due."""
    again: bool
    """Where it was not good: another attempt may well be better."""
    babbled: bool
    """It said something over and over where there may be no speech."""
    rank: tuple[bool, float]
    """The higher, the better; for choosing among attempts that all were not good."""


def window_for(frames: int) -> int:
    """The smallest window that holds so many frames, or the full one."""
    return next((window for window in WINDOWS if window >= frames), FULL_WINDOW)


def attempts(seconds: float, *, fallback: bool) -> tuple[Attempt, ...]:
    """The ways of decoding so much speech, cheapest first.

    A longer window comes before a higher temperature, since what goes wrong in a short one is mostly the want of
    silence at its end. Without ``fallback`` none has the full window.
    """
    frames = round(seconds * FRAMES_PER_SECOND)
    short, wide = (window_for(frames + margin) for margin in (MARGIN, WIDE_MARGIN))
    ways = [Attempt(short), Attempt(wide), Attempt(wide, 0.4)]
    if fallback:
        ways += [Attempt(FULL_WINDOW), Attempt(FULL_WINDOW, 0.8)]
    return tuple(dict.fromkeys(ways))


def token_limit(seconds: float, attempt: Attempt, *, first: bool) -> int:
    """Tokens that so much speech needs at most.

    The first attempt has few, since a decoder that runs away uses them up: enough for Latin and Chinese letters (6 to 8
    a second of fast speech); some scripts have two or three tokens for each letter, and are written by the next. A full
    window is generous: nobody looks at its text again.
    """
    if attempt.window == FULL_WINDOW:
        return min(224, 50 + int(30 * seconds))
    if first:
        return min(224, 14 + int(8 * seconds))
    return min(224, 20 + int(14 * seconds))


def judge(evidence: Evidence, *, suspicious: bool, fallback: bool, first: bool, babbled: bool = False) -> Verdict:
    """Whether a text may stand.

    Where a decoder says a phrase over and over of audio that may hold no speech (clicks), a higher temperature has it
    say something else, as made up as the first; so what comes after must be more probable than other text, unless it
    comes from an attempt to which the audio looks like silence no more (a faint "Hello world": no-speech 0.37, then
    0.26; what was no speech stayed at 0.40 and more in 1,600 pieces).

    Clear speech whose text is only improbable gets one other attempt, which tells whether the window was too short.
    More of them bring no better words (of Polish that base is at a loss with: neither in a full window nor at a higher
    temperature), and cost ten times the first.

    Args:
        evidence: What the decoder says of it.
        suspicious: It ran into the token limit, or says something twice.
        fallback: Improbable text is tried again too, not only what repeats itself.
        first: It comes from the shortest window, where faint speech may pass for silence: silence is believed only of
            a wider one.
        babbled: An earlier attempt did.
    """
    repetitive = evidence.compression_ratio > REPETITIVE or suspicious
    doubtful = evidence.no_speech_probability > DOUBTFUL
    if invented(evidence):
        rank = (False, evidence.average_log_probability)
        return Verdict(good=not first, again=True, babbled=repetitive, rank=rank)
    least = IMPROBABLE if fallback else VERY_IMPROBABLE
    if babbled and doubtful:
        least = LOW_LOG_PROBABILITY
    improbable = evidence.average_log_probability < least and (fallback or doubtful)
    return Verdict(
        good=not repetitive and not improbable,
        again=repetitive or doubtful or first,
        babbled=repetitive and doubtful,
        rank=(not repetitive, evidence.average_log_probability),
    )


def best(verdicts: Sequence[Verdict]) -> int:
    """Index of the attempt to believe when none was good: the most probable of those that do not repeat themselves."""
    return max(range(len(verdicts)), key=lambda index: verdicts[index].rank)
