"""Silero VAD in ONNX Runtime, many sessions in one call."""

import hashlib
import importlib.util
from pathlib import Path
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_gateway.vad.votes import CHUNK_SAMPLES

CONTEXT_SAMPLES: Final = 64
"""Samples of the chunk before that the model wants in front of each chunk."""

STATE_SHAPE: Final = (2, 128)
"""Recurrent state of one session."""

SHA256: Final = "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3"
"""Of ``silero_vad.onnx`` in silero-vad 6.2; of the wheel's models it is the fastest in batches (0.06 ms a chunk)."""

_SILENT: Final = 3
"""ONNX Runtime's severity for errors only; the model's own leftovers make it warn at every load."""


class VadError(RuntimeError):
    """Voice activity of a session cannot be told; the message says why."""


def model_path() -> Path:
    """The ONNX file in the installed silero-vad wheel, found without importing the package, which imports torch.

    Raises:
        VadError: silero-vad is not installed.
    """
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise VadError("silero-vad is not installed; pip install --no-deps 'silero-vad==6.2.*'")
    return Path(spec.submodule_search_locations[0]) / "data" / "silero_vad.onnx"


class Silero:
    """The model; it keeps nothing between calls.

    Args:
        path: The ONNX file; its SHA-256 must be :data:`SHA256`.

    Raises:
        VadError: the file is missing, is another one, or cannot be loaded.
    """

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise VadError(f"cannot read the Silero model: {error}; install silero-vad 6.2 again") from error
        digest = hashlib.sha256(content).hexdigest()
        if digest != SHA256:
            raise VadError(f"{path} has SHA-256 {digest}, not {SHA256}; pip install --no-deps 'silero-vad==6.2.*'")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # more threads gain nothing on 32 ms chunks and take cores from the gateway
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it keeps the largest batch's memory for good, and buys no speed here
        options.log_severity_level = _SILENT
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._rate = np.array(SAMPLE_RATE, np.int64)

    def run(
        self, chunks: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """One step of ``n`` sessions.

        Args:
            chunks: Shape ``(n, 64 + 512)``, full scale 1: each session's context and chunk.
            states: Shape ``(2, n, 128)``; zeros at a session's start.

        Returns:
            Probabilities of speech, shape ``(n,)``, and the next states, shape ``(2, n, 128)``.

        Raises:
            VadError: wrong shapes, or ONNX Runtime fails.
        """
        if chunks.shape[1:] != (CONTEXT_SAMPLES + CHUNK_SAMPLES,):
            raise VadError(f"Silero takes chunks of {CONTEXT_SAMPLES + CHUNK_SAMPLES} samples, got {chunks.shape[1:]}")
        try:
            output, after = self._session.run(None, {"input": chunks, "state": states, "sr": self._rate})
        except Exception as error:  # ONNX Runtime's errors have no common base but this
            raise VadError(f"the Silero model failed on {len(chunks)} chunks: {error}") from error
        return output[:, 0], after
