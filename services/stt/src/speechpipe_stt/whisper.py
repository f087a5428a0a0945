"""faster-whisper behind the ``Engine`` protocol, driven by its own ``transcribe``, one utterance after the other."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Literal

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, restore_speech_timestamps

from speechpipe_common.cores import model_threads
from speechpipe_stt.engine import EngineError, HeardWord, Transcription, Utterance
from speechpipe_stt.gpu import keep_memory
from speechpipe_stt.guards import Evidence
from speechpipe_stt.pieces import Piece, believed, in_order
from speechpipe_stt.speech import Speech, find_speech, warm_up

Device = Literal["auto", "cpu", "cuda"]

TEMPERATURES: Final = (0.0, 0.4, 0.8)
"""Whisper's own ladder has six; three find the same way out of a loop at half the longest delay."""

_CONTEXT_TOKENS: Final = 100
"""Most tokens of prompt and of hotwords each; with the longest answer they fit the decoder's 448."""

_LONGEST_ANSWER: Final = 224
_TOKENS_PER_SECOND: Final = 30
_TOKENS_AT_LEAST: Final = 50


class FasterWhisperEngine:
    """A Whisper model in CTranslate2's format.

    Args:
        folder: The model's folder (``model.bin``, ``config.json``, ``tokenizer.json``, a vocabulary).
        device: ``auto`` takes a CUDA device when there is one.
        compute_type: CTranslate2's name, or ``auto``: int8 on a CPU, float16 on CUDA.
        cpu_threads: Threads on a CPU; 0: as many as it has cores, four at most.
        apart: On a CPU each thread makes calls of its own, so that several may be under way, instead of all one.
        vad_filter: Decode only where Silero hears speech, and nothing when it hears none.

    Raises:
        RuntimeError: CTranslate2 cannot load the model on this device.
        ValueError: it does not know the compute type here.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: Device = "auto",
        compute_type: str = "auto",
        cpu_threads: int = 0,
        apart: bool = False,
        vad_filter: bool = True,
    ) -> None:
        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        if compute_type == "auto":
            compute_type = "float16" if device == "cuda" else "int8"
        if device == "cuda":
            keep_memory()
        self.device = device
        self.compute_type = compute_type
        self._vad_filter = vad_filter
        threads = model_threads(cpu_threads)
        apart = apart and device == "cpu"
        self.model = WhisperModel(
            str(folder),
            device=device,
            compute_type=compute_type,
            cpu_threads=1 if apart else threads,
            num_workers=threads if apart else 1,
            local_files_only=True,
        )
        # faster-whisper names Cantonese too, which only large-v3 and what was made of it have a token for.
        known = self.model.hf_tokenizer.token_to_id
        self._languages = frozenset(code for code in self.model.supported_languages if known(f"<|{code}|>"))
        if vad_filter:
            warm_up()

    def transcribe(self, batch: Sequence[Utterance]) -> list[Transcription | EngineError]:
        """One outcome for each utterance, in order; see ``Engine``."""
        return [self._outcome(utterance) for utterance in batch]

    def _outcome(self, utterance: Utterance) -> Transcription | EngineError:
        try:
            speech = self.speech(utterance)
        except EngineError as error:
            return error
        return self.decode(utterance, speech) if speech else silent(utterance)

    def speech(self, utterance: Utterance) -> Speech | None:
        """What there is to decode; None: nothing.

        Raises:
            EngineError: audio of a wrong shape, or a language that the model lacks.
        """
        audio = utterance.audio
        if audio.ndim != 1 or audio.dtype != np.float32 or not np.isfinite(audio).all():
            raise EngineError("bad_audio", f"audio is no finite float32 vector ({audio.dtype}, shape {audio.shape})")
        if utterance.language is not None and utterance.language not in self._languages:
            raise EngineError(
                "unsupported_language",
                f"this model does not know the language {utterance.language!r}; it knows {len(self._languages)}: "
                f"{', '.join(sorted(self._languages)[:20])}",
            )
        return find_speech(audio, vad=self._vad_filter)

    def decode(self, utterance: Utterance, speech: Speech) -> Transcription:
        """Decode one utterance's speech to the end, window by window."""
        segments, info = self.model.transcribe(
            speech.audio,
            language=utterance.language,
            beam_size=utterance.beam_size,
            temperature=TEMPERATURES if utterance.fallback else TEMPERATURES[:1],
            condition_on_previous_text=False,
            initial_prompt=self.prompt(utterance.prompt),
            hotwords=self._hotwords(utterance.hotwords),
            word_timestamps=utterance.word_timestamps,
            max_new_tokens=_token_limit(speech.seconds),
            vad_filter=False,
        )
        pieces = _believed(restore_speech_timestamps(segments, speech.chunks, 16_000))
        words = [word for piece in pieces for word in piece.words]
        return Transcription(
            text="".join(piece.text for piece in pieces).strip(),
            language=info.language,
            language_probability=float(info.language_probability),
            words=in_order(words, utterance.seconds),
        )

    def prompt(self, text: str) -> list[int] | None:
        """The last tokens of a prompt."""
        return self._encode(text)[-_CONTEXT_TOKENS:] or None

    def hotwords(self, text: str) -> list[int]:
        """The first tokens of hotwords."""
        return self._encode(text)[:_CONTEXT_TOKENS]

    def _hotwords(self, text: str) -> str | None:
        """As many hotwords as fit, as text."""
        return self.model.hf_tokenizer.decode(self.hotwords(text)).strip() or None

    def _encode(self, text: str) -> list[int]:
        plain = text.strip()
        if not plain:
            return []
        ids: list[int] = self.model.hf_tokenizer.encode(f" {plain}", add_special_tokens=False).ids
        return ids


def silent(utterance: Utterance) -> Transcription:
    """What is heard where there is no speech."""
    given = utterance.language
    return Transcription(text="", language=given or "", language_probability=1.0 if given else 0.0)


def _token_limit(seconds: float) -> int:
    """Tokens that this much speech can need at most, so that a loop ends soon."""
    return min(_LONGEST_ANSWER, _TOKENS_AT_LEAST + int(_TOKENS_PER_SECOND * seconds))


def _believed(segments: Iterable[Segment]) -> list[Piece]:
    pieces = []
    for segment in segments:
        words = tuple(
            HeardWord(w.word, float(w.start), float(w.end), float(w.probability)) for w in segment.words or ()
        )
        evidence = Evidence(segment.no_speech_prob, segment.avg_logprob, segment.compression_ratio)
        if piece := believed(segment.text, words, evidence):
            pieces.append(piece)
    return pieces
