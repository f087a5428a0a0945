"""What voice activity detection remembers of one session."""

import numpy as np
from numpy.typing import NDArray

from speechpipe_gateway.vad.silero import CONTEXT_SAMPLES, STATE_SHAPE
from speechpipe_gateway.vad.votes import CHUNK_SAMPLES, ChunkVote
from speechpipe_gateway.vad.webrtc import WebRtc

_FULL_SCALE = np.float32(32_768)


class VadState:
    """One session's detectors; about 6 kB.

    Belongs to one :class:`VadBatcher` and is used by one call of ``analyse`` at a time.

    Args:
        webrtc_aggressiveness: ``WEBRTC_SENSITIVITY``, 0 to 3.
    """

    def __init__(self, webrtc_aggressiveness: int) -> None:
        self._webrtc = WebRtc(webrtc_aggressiveness)
        self._carry = np.zeros(0, np.int16)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)
        self.recurrent = np.zeros(STATE_SHAPE, np.float32)
        """Silero's state after the last chunk, shape ``(2, 128)``."""

    def split(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Chunks that these samples complete, shape ``(n, 512)``; the rest waits for the next call."""
        joined = np.concatenate([self._carry, samples])
        whole = len(joined) - len(joined) % CHUNK_SAMPLES
        self._carry = joined[whole:].copy()  # a view would keep the whole message alive
        return joined[:whole].reshape(-1, CHUNK_SAMPLES)

    def model_input(self, chunk: NDArray[np.int16]) -> NDArray[np.float32]:
        """Context and chunk as Silero takes them, shape ``(576,)``; changes nothing."""
        return np.concatenate([self._context, chunk.astype(np.float32) / _FULL_SCALE])

    def advance(self, chunk: NDArray[np.int16], probability: float, recurrent: NDArray[np.float32]) -> ChunkVote:
        """Go past a chunk with Silero's answer to it, and ask WebRTC."""
        self.recurrent = recurrent.copy()
        self._context = chunk[-CONTEXT_SAMPLES:].astype(np.float32) / _FULL_SCALE
        return ChunkVote(webrtc=self._webrtc.feed(chunk), silero=probability)
