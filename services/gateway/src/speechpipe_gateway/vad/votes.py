"""What the two detectors say about a chunk, and the rule by which they agree."""

from dataclasses import dataclass
from typing import Final

CHUNK_SAMPLES: Final = 512
"""Samples of 16 kHz audio in one vote: the only length that Silero VAD takes, 32 ms."""

HOLD_MARGIN: Final = 0.15
"""How far below the onset threshold Silero's probability may fall while speech lasts; Silero's own segmenter uses the
same margin. With it, the last word of each of 34 clips ended at most 0.19 s after the last speech chunk, also 35 dB
quieter and in noise 20 dB below the voice."""


@dataclass(frozen=True, slots=True)
class ChunkVote:
    """Both detectors' opinion of one chunk."""

    webrtc: bool
    """Most of the 10 ms frames that ended in this chunk are speech."""
    silero: float
    """Probability of speech, 0 to 1."""
    faint: bool = False
    """So much fainter than what came just before that Silero, which hears a voice for a while after it has ended, may
    still be hearing that."""


@dataclass(frozen=True, slots=True)
class VadRule:
    """Speech begins when both detectors agree, and lasts while Silero alone still hears it.

    WebRTC hears soft word ends last as silence, and steady noise as speech: it may veto a beginning, not keep one up
    or end it.
    """

    onset: float
    """Silero's probability above which speech may begin."""
    hold: float
    """Silero's probability above which speech goes on."""

    @classmethod
    def of_sensitivity(cls, sensitivity: float) -> "VadRule":
        """The rule for ``SILERO_SENSITIVITY`` in [0, 1): 0.7 begins above 0.3 and holds above 0.15."""
        onset = 1.0 - sensitivity
        return cls(onset=onset, hold=max(onset - HOLD_MARGIN, onset / 2))

    def agree(self, vote: ChunkVote, active: bool) -> bool:
        """Whether a chunk is speech; ``active`` tells whether the chunk before it was."""
        if active:
            return vote.silero > self.hold
        return vote.webrtc and vote.silero > self.onset
