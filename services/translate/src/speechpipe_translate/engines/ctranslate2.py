"""OPUS-MT models converted to CTranslate2: the same sentences as EasyNMT's, without torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.engines.folders import find_models
from speechpipe_translate.errors import EngineFailed, EngineUnavailable
from speechpipe_translate.routes import Pair

_NEEDED: Final = ("model.bin", "config.json", "source.spm", "target.spm")
_END: Final = "</s>"


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoding:
    """How neural engines decode.

    Args:
        device: ``auto``, ``cpu`` or ``cuda``.
        beam_size: hypotheses kept, at least 1.
        max_length: most tokens of a text, which is cut there, and of its translation; without a bound, odd input can
            make Marian repeat itself, and input longer than its positions fails.
        max_batch: most texts decoded together.
    """

    device: str
    beam_size: int
    max_length: int
    max_batch: int


class CTranslate2Engine:
    """The converted models under ``model_dir``, each with the SentencePiece models of the original beside it.

    Raises:
        EngineUnavailable: a library or every model is missing.
    """

    def __init__(self, model_dir: Path, family: str, decoding: Decoding) -> None:
        try:
            import ctranslate2
            import sentencepiece
        except ImportError as error:
            raise EngineUnavailable(f"{error.name} is missing: install speechpipe-translate[ctranslate2]") from error
        self._translator: Any = ctranslate2.Translator
        self._pieces: Any = sentencepiece.SentencePieceProcessor
        self._decoding = decoding
        self._folders = find_models(model_dir, family, _NEEDED)

    @property
    def pairs(self) -> frozenset[Pair]:
        """Pairs that have a folder."""
        return frozenset(self._folders)

    def load(self, pair: Pair) -> "CTranslate2Model":
        """Load a pair's network and its two SentencePiece models."""
        folder = self._folders[pair]
        try:
            return CTranslate2Model(
                pair,
                self._translator(str(folder), device=self._decoding.device, inter_threads=1),
                source=self._pieces(model_file=str(folder / "source.spm")),
                target=self._pieces(model_file=str(folder / "target.spm")),
                end=() if _adds_end(folder) else (_END,),
                decoding=self._decoding,
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
    ) -> None:
        self._pair = pair
        self._translator = translator
        self._source = source
        self._target = target
        self._end = end
        self._decoding = decoding

    def translate(self, texts: Sequence[str]) -> list[Outcome]:
        """All texts, in batches; when the device gives up, each is an ``EngineFailed``."""
        longest = self._decoding.max_length - 1
        pieces = [[*self._source.encode(text, out_type=str)[:longest], *self._end] for text in texts]
        try:
            results = self._translator.translate_batch(
                pieces,
                beam_size=self._decoding.beam_size,
                max_batch_size=self._decoding.max_batch,
                max_decoding_length=self._decoding.max_length,
            )
        except RuntimeError as error:
            failure = EngineFailed(f"CTranslate2 {self._pair} failed on a batch of {len(texts)}: {error}")
            return [failure] * len(texts)
        return [self._target.decode(result.hypotheses[0]) for result in results]

    def close(self) -> None:
        """Unload the weights."""
        self._translator.unload_model()


def _adds_end(folder: Path) -> bool:
    """Whether the network appends ``</s>`` to its input itself; conversions differ, and say so in their config."""
    config: dict[str, object] = json.loads((folder / "config.json").read_bytes())
    return bool(config.get("add_source_eos", False))
