"""EasyNMT 2.0.2 over OPUS-MT models in folders and from the hub (torch).

Used so that it never reaches the network itself (its configuration is fetched over plain http) and never guesses: its
language detection breaks with numpy 2 behind a bare ``except``, and its sentence splitter asks for downloaded data.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.engines.batches import translate_apart
from speechpipe_translate.engines.ctranslate2 import Decoding
from speechpipe_translate.engines.folders import find_models, nothing_in
from speechpipe_translate.engines.models import Models
from speechpipe_translate.errors import EngineFailed, EngineUnavailable
from speechpipe_translate.routes import Pair

_NEEDED: Final = ("config.json", "source.spm", "target.spm", "vocab.json")


class EasyNMTEngine:
    """The models under ``model_dir``, in the layout that Hugging Face's ``MarianMTModel`` saves, and those of the hub.

    Raises:
        EngineUnavailable: a library is missing, or every model, offline.
    """

    def __init__(self, model_dir: Path, family: str, decoding: Decoding, *, offline: bool) -> None:
        try:
            from easynmt import EasyNMT
            from easynmt.models import AutoModel

            from speechpipe_translate.engines.hub import Hub
        except ImportError as error:
            raise EngineUnavailable(f"{error.name} is missing: install speechpipe-translate[easynmt]") from error
        self._wrapper: Any = EasyNMT
        self._network: Any = AutoModel
        self._decoding = decoding
        hub = Hub(family, offline=offline)
        self._models = Models(find_models(model_dir, family, _NEEDED), hub, prepare=lambda _, folder: folder)
        self._advice = hub.advice
        if hub.offline and not self._models:
            raise EngineUnavailable(nothing_in(model_dir, family, _NEEDED, self._advice))

    @property
    def pairs(self) -> Models:
        """Pairs that have a folder, or are on the hub."""
        return self._models

    @property
    def advice(self) -> str:
        """Where other pairs would come from."""
        return self._advice

    def load(self, pair: Pair) -> "EasyNMTModel":
        """Load a pair's network and tokenizer, fetched first when need be."""
        folder = self._models.folder(pair)
        device = None if self._decoding.device == "auto" else self._decoding.device
        try:
            translator = self._network(str(folder), tokenizer_args={"model_max_length": self._decoding.max_length})
            return EasyNMTModel(pair, self._wrapper(folder.name, translator=translator, device=device), self._decoding)
        except (RuntimeError, OSError, ValueError) as error:
            raise EngineFailed(f"the model in {folder} cannot be loaded: {error}") from error


class EasyNMTModel:
    """One pair's network."""

    def __init__(
        self,
        pair: Pair,
        wrapper: Any,  # noqa: ANN401 - the library has no types
        decoding: Decoding,
    ) -> None:
        self._pair = pair
        self._wrapper = wrapper
        self._decoding = decoding

    def translate(self, texts: Sequence[str]) -> list[Outcome]:
        """All texts in one batch; one that the model cannot take is an ``EngineFailed``."""
        return translate_apart(self._batch, texts, f"EasyNMT {self._pair}")

    def _batch(self, texts: Sequence[str]) -> list[str]:
        return list(
            self._wrapper.translate(
                list(texts),
                source_lang=self._pair.source,
                target_lang=self._pair.target,
                perform_sentence_splitting=False,
                beam_size=self._decoding.beam_size,
                batch_size=self._decoding.max_batch,
                max_new_tokens=self._decoding.max_length,
            )
        )

    def close(self) -> None:
        """Let go of the weights."""
        self._wrapper = None
