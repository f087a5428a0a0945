"""What voice activity detection remembers of one session."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechpipe_gateway.vad.level import RecentLevel
from speechpipe_gateway.vad.silero import CONTEXT_SAMPLES, STATE_SHAPE
from speechpipe_gateway.vad.votes import CHUNK_SAMPLES
from speechpipe_gateway.vad.webrtc import WebRtc

_SCALE: Final = np.float32(1 / 32_768)

REPLAYED_CHUNKS: Final = 8
"""What Silero hears before the first chunk after silence that it was spared: a quarter of a second. With it, speech
begins in the same chunk as if Silero had heard all (34 clips; without, up to half a second later where it is quiet)."""


class VadState:
    """One session's detectors; about 6 kB, and 8 more while nobody speaks.

    Belongs to one :class:`VadBatcher` and is used by one call of ``analyse`` at a time.

    Args:
        webrtc_aggressiveness: ``WEBRTC_SENSITIVITY``, 0 to 3.
    """

    def __init__(self, webrtc_aggressiveness: int) -> None:
        self.webrtc = WebRtc(webrtc_aggressiveness)
        self.level = RecentLevel()
        self.listening = True
        """Whether Silero must hear everything: speech has begun, and lasts while Silero says so. Else it is spared what
        WebRTC takes for silence, where nothing can begin; its probability then counts as 0."""
        self.context = np.zeros(CONTEXT_SAMPLES, np.int16)
        """The last samples of the chunk before the next that Silero hears."""
        self.spared: deque[NDArray[np.int16]] = deque()
        """The last chunks that it was spared, which it hears before the next."""
        self.recurrent = np.zeros((STATE_SHAPE[0], 1, STATE_SHAPE[1]), np.float32)
        """Silero's state after the last chunk, shape ``(2, 1, 128)``: a batch of one."""
        self._carry = np.zeros(0, np.int16)

    def spare(self, chunk: NDArray[np.int16]) -> None:
        """Silero does not hear this chunk, unless speech begins soon."""
        self.spared.append(chunk.copy())
        if len(self.spared) > REPLAYED_CHUNKS:
            self.context = self.spared.popleft()[-CONTEXT_SAMPLES:].copy()

    def split(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        """Chunks that these samples complete, shape ``(n, 512)``; the rest waits for the next call."""
        joined = np.concatenate([self._carry, samples]) if len(self._carry) else samples
        whole = len(joined) - len(joined) % CHUNK_SAMPLES
        self._carry = joined[whole:].copy()  # a view would keep the whole message alive
        return joined[:whole].reshape(-1, CHUNK_SAMPLES)


def model_input(states: Sequence[VadState], chunks: NDArray[np.int16]) -> NDArray[np.float32]:
    """Context and chunk of each session as Silero takes them, shape ``(n, 576)``, from chunks of shape ``(n, 512)``."""
    inputs = np.empty((len(states), CONTEXT_SAMPLES + CHUNK_SAMPLES), np.float32)
    contexts = np.concatenate([state.context for state in states]).reshape(-1, CONTEXT_SAMPLES)
    np.multiply(contexts, _SCALE, out=inputs[:, :CONTEXT_SAMPLES])
    np.multiply(chunks, _SCALE, out=inputs[:, CONTEXT_SAMPLES:])
    return inputs
