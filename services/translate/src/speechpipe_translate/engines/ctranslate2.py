"""OPUS-MT models converted to CTranslate2: the same sentences as EasyNMT's, without torch.

Converting takes transformers and torch. Where they are installed, models come from the hub as they do for EasyNMT;
where they are not, the hub is never asked, and routes lead over what has been converted already.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.engines.batches import translate_apart
from speechpipe_translate.engines.conversion import HOW_TO_CONVERT, can_convert, convert, converted_at
from speechpipe_translate.engines.folders import find_models, names_of, nothing_in
from speechpipe_translate.engines.models import Models
from speechpipe_translate.errors import EngineFailed, EngineUnavailable
from speechpipe_translate.routes import Pair

_NEEDED: Final = ("model.bin", "config.json", "source.spm", "target.spm")
_END: Final = "</s>"

_PATIENCE: Final = 2.0
"""Texts that are to be finished before the best is taken, for each that is kept. With 1 a text with a hole is taken now
and then, since it was finished sooner ("dieind liest" for "die Katze liest"); EasyNMT, which looks whether those
that are not finished may be better, never took one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoding:
    """How neural engines decode.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        compute_type: CTranslate2's number format, or ``auto``; EasyNMT computes in what its weights are in.
        beam_size: hypotheses kept, at least 1.
        max_length: most tokens of a text, which is cut there, and of its translation; without a bound, odd input can
            make Marian repeat itself, and input longer than its positions fails.
        max_batch: most texts decoded together.
        threads: of a CPU; CTranslate2 shares a call's texts out among them.
    """

    device: str
    compute_type: str
    beam_size: int
    max_length: int
    max_batch: int
    threads: int


class CTranslate2Engine:
    """The converted models under ``model_dir``, each with the SentencePiece models of the original beside it; and the
    hub's, converted into the user's cache.

    Raises:
        EngineUnavailable: a library is missing, or every model, and none can be fetched.
    """

    def __init__(self, model_dir: Path, family: str, decoding: Decoding, *, offline: bool) -> None:
        try:
            import ctranslate2
            import sentencepiece

            from speechpipe_translate.engines.hub import Hub
        except ImportError as error:
            raise EngineUnavailable(f"{error.name} is missing: install speechpipe-translate[ctranslate2]") from error
        self._translator: Any = ctranslate2.Translator
        self._pieces: Any = sentencepiece.SentencePieceProcessor
        self._has_cuda: Callable[[], bool] = lambda: bool(ctranslate2.get_cuda_device_count())
        self._decoding = decoding
        hub = Hub(family, offline=offline) if can_convert() else None
        folders = find_models(converted_at(), family, _NEEDED) | find_models(model_dir, family, _NEEDED)
        self._models = Models(folders, hub, prepare=lambda pair, folder: convert(folder, next(names_of(pair, family))))
        self._advice = hub.advice if hub else HOW_TO_CONVERT
        if (hub is None or hub.offline) and not self._models:
            raise EngineUnavailable(nothing_in(model_dir, family, _NEEDED, self._advice))

    @property
    def pairs(self) -> Models:
        """Pairs that have a folder, or are on the hub and can be converted."""
        return self._models

    @property
    def advice(self) -> str:
        """Where other pairs would come from."""
        return self._advice

    def load(self, pair: Pair) -> "CTranslate2Model":
        """Load a pair's network and its two SentencePiece models, fetched and converted first when need be."""
        folder = self._models.folder(pair)
        device, number_format = placing(self._decoding, self._has_cuda())
        replicas = self._decoding.threads if device == "cpu" else 1
        try:
            return CTranslate2Model(
                pair,
                # Threads that work on one text wait for each other after each of its many small products: two of them
                # take twice as long as one (a text of OPUS-MT: 320 ms, and 150).
                self._translator(
                    str(folder), device=device, compute_type=number_format, inter_threads=replicas, intra_threads=1
                ),
                source=self._pieces(model_file=str(folder / "source.spm")),
                target=self._pieces(model_file=str(folder / "target.spm")),
                end=() if _adds_end(folder) else (_END,),
                decoding=self._decoding,
                replicas=replicas,
            )
        except (RuntimeError, OSError, ValueError) as error:
            raise EngineFailed(f"the model in {folder} cannot be loaded: {error}") from error


class CTranslate2Model:
    """One pair's network."""

    def __init__(
        self,
        pair: Pair,
        translator: Any,  # noqa: ANN401 - the library has no types
        *,
        source: Any,  # noqa: ANN401
        target: Any,  # noqa: ANN401
        end: tuple[str, ...],
        decoding: Decoding,
        replicas: int,
    ) -> None:
        self._pair = pair
        self._translator = translator
        self._replicas = replicas
        self._source = source
        self._target = target
        self._end = end
        self._decoding = decoding

    def translate(self, texts: Sequence[str]) -> list[Outcome]:
        """All texts in one batch; one that the model cannot take is an ``EngineFailed``."""
        return translate_apart(self._batch, texts, f"CTranslate2 {self._pair}")

    def _batch(self, texts: Sequence[str]) -> list[str]:
        longest = self._decoding.max_length - 1
        pieces = [[*self._source.encode(text, out_type=str)[:longest], *self._end] for text in texts]
        results = self._translator.translate_batch(
            pieces,
            beam_size=self._decoding.beam_size,
            patience=_PATIENCE,
            max_batch_size=min(self._decoding.max_batch, -(-len(texts) // self._replicas)),
            max_decoding_length=self._decoding.max_length,
        )
        return [self._target.decode(result.hypotheses[0]) for result in results]

    def close(self) -> None:
        """Unload the weights."""
        self._translator.unload_model()


def placing(decoding: Decoding, has_cuda: bool) -> tuple[str, str]:
    """Device and number format for ``decoding``: int8 on a CPU and float16 on CUDA, where ``auto`` leaves it open."""
    device = decoding.device if decoding.device != "auto" else "cuda" if has_cuda else "cpu"
    if decoding.compute_type != "auto":
        return device, decoding.compute_type
    return device, "float16" if device == "cuda" else "int8"


def _adds_end(folder: Path) -> bool:
    """Whether the network appends ``</s>`` to its input itself; conversions differ, and say so in their config."""
    config: dict[str, object] = json.loads((folder / "config.json").read_bytes())
    return bool(config.get("add_source_eos", False))
