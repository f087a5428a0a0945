"""Where in an utterance there is speech, by Silero."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from faster_whisper.vad import SpeechTimestampsMap, VadOptions, collect_chunks, get_speech_timestamps

from speechpipe_stt.engine import Audio, HeardWord

_VAD: Final = VadOptions(min_silence_duration_ms=2000, speech_pad_ms=400)

Chunks = list[dict[str, int]]
"""Sample ranges, each with ``start`` and ``end``."""


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """The parts of an utterance that hold speech, one after the other."""

    audio: Audio
    chunks: Chunks

    @property
    def seconds(self) -> float:
        """Length of the parts together."""
        return len(self.audio) / 16_000

    def restored(self, words: tuple[HeardWord, ...]) -> tuple[HeardWord, ...]:
        """Words with times within the parts, in seconds of the whole utterance."""
        times = SpeechTimestampsMap(self.chunks, 16_000)
        moved = []
        for word in words:
            # By its middle, so that a word on the seam of two parts stays one.
            chunk = times.get_chunk_index((word.start + word.end) / 2)
            start, end = (times.get_original_time(time, chunk) for time in (word.start, word.end))
            moved.append(HeardWord(word.text, start, end, word.probability))
        return tuple(moved)


def warm_up() -> None:
    """Load Silero now, not in the first utterance."""
    get_speech_timestamps(np.zeros(512, np.float32), _VAD)


def find_speech(audio: Audio, *, vad: bool) -> Speech | None:
    """What Silero takes for speech, 0.4 s around it included, or with ``vad`` off everything; None: there is none."""
    chunks: Chunks = get_speech_timestamps(audio, _VAD) if vad else [{"start": 0, "end": len(audio)}]
    if not chunks or not len(audio):
        return None
    return Speech(np.concatenate(collect_chunks(audio, chunks)[0]), chunks)
