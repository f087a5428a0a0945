"""faster-whisper behind the ``Engine`` protocol, driven by its own ``transcribe``, one utterance after the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, restore_speech_timestamps
from faster_whisper.vad import VadOptions, collect_chunks, get_speech_timestamps

from speechpipe_stt.engine import Audio, EngineError, HeardWord, Transcription, Utterance
from speechpipe_stt.guards import REPETITIVE, Evidence, invented, without_loops

Device = Literal["auto", "cpu", "cuda"]

_VAD: Final = VadOptions(min_silence_duration_ms=2000, speech_pad_ms=400)
_TEMPERATURES: Final = (0.0, 0.4, 0.8)
"""Whisper's own ladder has six; three find the same way out of a loop at half the longest delay."""

_CONTEXT_TOKENS: Final = 100
"""Most tokens of prompt and of hotwords each; with the longest answer they fit the decoder's 448."""

_LONGEST_ANSWER: Final = 224
_TOKENS_PER_SECOND: Final = 30
_TOKENS_AT_LEAST: Final = 50


@dataclass(frozen=True, slots=True)
class _Piece:
    """A decoded segment that the guards let through."""

    text: str
    words: tuple[HeardWord, ...]


class FasterWhisperEngine:
    """A Whisper model in CTranslate2's format.

    Args:
        folder: The model's folder (``model.bin``, ``config.json``, ``tokenizer.json``, a vocabulary).
        device: ``auto`` takes a CUDA device when there is one.
        compute_type: CTranslate2's name, or ``auto``: int8 on a CPU, float16 on CUDA.
        cpu_threads: Threads of one decoding; 0 leaves it to CTranslate2.
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
        vad_filter: bool = True,
    ) -> None:
        if device == "auto":
            device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
        if compute_type == "auto":
            compute_type = "float16" if device == "cuda" else "int8"
        self.device = device
        self.compute_type = compute_type
        self._vad_filter = vad_filter
        self._model = WhisperModel(
            str(folder), device=device, compute_type=compute_type, cpu_threads=cpu_threads, local_files_only=True
        )
        self._languages = frozenset(self._model.supported_languages)
        if vad_filter:
            get_speech_timestamps(np.zeros(512, np.float32), _VAD)  # loads Silero now, not in the first utterance

    def transcribe(self, batch: Sequence[Utterance]) -> list[Transcription | EngineError]:
        """One outcome for each utterance, in order; see ``Engine``."""
        return [self._outcome(utterance) for utterance in batch]

    def _outcome(self, utterance: Utterance) -> Transcription | EngineError:
        try:
            self._check(utterance)
            return self._decode(utterance)
        except EngineError as error:
            return error

    def _check(self, utterance: Utterance) -> None:
        audio = utterance.audio
        if audio.ndim != 1 or audio.dtype != np.float32 or not np.isfinite(audio).all():
            raise EngineError("bad_audio", f"audio is no finite float32 vector ({audio.dtype}, shape {audio.shape})")
        if utterance.language is not None and utterance.language not in self._languages:
            raise EngineError(
                "unsupported_language",
                f"this model does not know the language {utterance.language!r}; it knows {len(self._languages)}: "
                f"{', '.join(sorted(self._languages)[:20])}",
            )

    def _decode(self, utterance: Utterance) -> Transcription:
        chunks = self._speech(utterance.audio)
        silent = not chunks
        if silent:
            given = utterance.language
            return Transcription(text="", language=given or "", language_probability=1.0 if given else 0.0)
        audio = np.concatenate(collect_chunks(utterance.audio, chunks)[0])
        segments, info = self._model.transcribe(
            audio,
            language=utterance.language,
            beam_size=utterance.beam_size,
            temperature=_TEMPERATURES if utterance.fallback else _TEMPERATURES[:1],
            condition_on_previous_text=False,
            initial_prompt=self._prompt(utterance.prompt),
            hotwords=self._hotwords(utterance.hotwords),
            word_timestamps=utterance.word_timestamps,
            max_new_tokens=_token_limit(len(audio) / 16_000),
            vad_filter=False,
        )
        pieces = _believed(restore_speech_timestamps(segments, chunks, 16_000))
        words = [word for piece in pieces for word in piece.words]
        return Transcription(
            text="".join(piece.text for piece in pieces).strip(),
            language=info.language,
            language_probability=float(info.language_probability),
            words=_in_order(words, utterance.seconds),
        )

    def _speech(self, audio: Audio) -> list[dict[str, int]]:
        """Where Silero hears speech, as sample ranges; everything when the filter is off."""
        if not self._vad_filter:
            return [{"start": 0, "end": len(audio)}] if len(audio) else []
        chunks: list[dict[str, int]] = get_speech_timestamps(audio, _VAD)
        return chunks

    def _prompt(self, text: str) -> list[int] | None:
        """The last tokens of a prompt."""
        tokens: list[int] = self._encode(text)
        return tokens[-_CONTEXT_TOKENS:] or None

    def _hotwords(self, text: str) -> str | None:
        """As many hotwords as fit."""
        tokens = self._encode(text)
        return self._model.hf_tokenizer.decode(tokens[:_CONTEXT_TOKENS]).strip() or None

    def _encode(self, text: str) -> list[int]:
        plain = text.strip()
        if not plain:
            return []
        ids: list[int] = self._model.hf_tokenizer.encode(f" {plain}", add_special_tokens=False).ids
        return ids


def _token_limit(seconds: float) -> int:
    """Tokens that this much speech can need at most, so that a loop ends soon."""
    return min(_LONGEST_ANSWER, _TOKENS_AT_LEAST + int(_TOKENS_PER_SECOND * seconds))


def _believed(segments: Iterable[Segment]) -> list[_Piece]:
    pieces = []
    for segment in segments:
        evidence = Evidence(segment.no_speech_prob, segment.avg_logprob, segment.compression_ratio)
        if not invented(evidence):
            pieces.append(_piece(segment, looping=evidence.compression_ratio > REPETITIVE))
    return pieces


def _piece(segment: Segment, *, looping: bool) -> _Piece:
    words = tuple(HeardWord(w.word, float(w.start), float(w.end), float(w.probability)) for w in segment.words or ())
    if not looping:
        return _Piece(segment.text, words)
    if words:
        words = tuple(words[index] for index in without_loops([word.text for word in words]))
        return _Piece("".join(word.text for word in words), words)
    spaced = " " in segment.text.strip()
    tokens = segment.text.split() if spaced else list(segment.text)
    kept = [tokens[index] for index in without_loops(tokens)]
    return _Piece((" " + " ".join(kept)) if spaced else "".join(kept), ())


def _in_order(words: Sequence[HeardWord], seconds: float) -> tuple[HeardWord, ...]:
    """Words with times inside ``[0, seconds]`` that never go back; the aligner may overlap neighbours a little."""
    ordered = []
    earliest = 0.0
    for word in words:
        start = min(max(word.start, earliest), seconds)
        end = min(max(word.end, start), seconds)
        ordered.append(HeardWord(word.text.strip(), start, end, word.probability))
        earliest = end
    return tuple(ordered)
