"""Whisper base in the shape of large-v3: 128 mel bands and one language more, which moves every special token."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

BANDS: Final = 128
_CANTONESE: Final = "<|yue|>"
_NUMBER: Final = 50358
"""Of its token, where base has the first token behind its languages."""

_EMBEDDINGS: Final = "decoder/embeddings/weight"
_INPUT: Final = "encoder/conv1/weight"
_FLOAT16: Final = 4
"""CTranslate2's number of the type."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a model in CTranslate2's binary format."""

    shape: tuple[int, ...]
    kind: int
    data: bytes

    def changed(self, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> "Variable":
        """With other weights."""
        if self.kind != _FLOAT16:
            raise ValueError(f"weights of type {self.kind}, not float16")
        weights = change(np.frombuffer(self.data, np.float16).reshape(self.shape).astype(np.float32))
        return replace(self, shape=weights.shape, data=weights.astype(np.float16).tobytes())


def widened(base: Path, folder: Path) -> Path:
    """Write the model into a folder: what base hears, it hears too.

    Args:
        base: Folder of Whisper base in float16.
        folder: Is made.
    """
    folder.mkdir()
    with (base / "model.bin").open("rb") as source, (folder / "model.bin").open("wb") as target:
        _rewrite(source, target)
    config = json.loads((base / "config.json").read_text())
    for name in ("suppress_ids", "suppress_ids_begin"):
        config[name] = [_moved(number) for number in config[name]]
    config["lang_ids"].append(_NUMBER)
    (folder / "config.json").write_text(json.dumps(config))
    words = json.loads((base / "vocabulary.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps([*words[:_NUMBER], _CANTONESE, *words[_NUMBER:]]))
    tokenizer = json.loads((base / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(_with_cantonese(tokenizer)))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": BANDS, "sampling_rate": 16_000}))
    return folder


def _moved(number: int) -> int:
    return number + (number >= _NUMBER)


def _with_cantonese(tokenizer: dict[str, Any]) -> dict[str, Any]:
    known = tokenizer["added_tokens"]
    added = [{**token, "id": _moved(token["id"])} for token in known]
    like = next(token for token in known if token["content"] == "<|zh|>")
    ordered = sorted([*added, {**like, "id": _NUMBER, "content": _CANTONESE}], key=lambda token: token["id"])
    # How a text begins is a matter of whoever encodes: the engine adds no special tokens.
    return {**tokenizer, "added_tokens": ordered, "post_processor": None}


def _rewrite(source: BinaryIO, target: BinaryIO) -> None:
    version = source.read(4)
    name, revision = _text(source), source.read(4)
    (count,) = struct.unpack("<I", source.read(4))
    target.write(version + _written(name) + revision + struct.pack("<I", count))
    for _ in range(count):
        title = _text(source)
        variable = _variable(source)
        if title == _INPUT:
            variable = variable.changed(_of_more_bands)
        elif title == _EMBEDDINGS:
            variable = variable.changed(_with_one_more)
        rank, kind_and_size = len(variable.shape), struct.pack("<BI", variable.kind, len(variable.data))
        target.write(_written(title) + struct.pack(f"<B{rank}I", rank, *variable.shape) + kind_and_size + variable.data)
    target.write(source.read())


def _text(source: BinaryIO) -> str:
    (length,) = struct.unpack("<H", source.read(2))
    return source.read(length)[:-1].decode()


def _written(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"


def _variable(source: BinaryIO) -> Variable:
    (rank,) = source.read(1)
    shape = struct.unpack(f"<{rank}I", source.read(4 * rank))
    kind, size = struct.unpack("<BI", source.read(5))
    return Variable(shape, kind, source.read(size))


def _with_one_more(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """The new language has Chinese's embedding, a little weaker, so that it is never the more probable."""
    chinese = embeddings[50260]
    return np.insert(embeddings, _NUMBER, 0.9 * chinese, axis=0)


def _of_more_bands(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each of base's 80 bands is read between the two of 128 that lie around its centre."""
    few, many = (_centres(bands) for bands in (weights.shape[1], BANDS))
    right = np.clip(np.searchsorted(many, few), 1, BANDS - 1)
    share = np.clip((few - many[right - 1]) / (many[right] - many[right - 1]), 0, 1)
    mixed = np.zeros((len(few), BANDS), np.float32)
    mixed[np.arange(len(few)), right - 1] = 1 - share
    mixed[np.arange(len(few)), right] += share
    return np.einsum("ofk,fb->obk", weights, mixed)


def _centres(bands: int) -> NDArray[np.float64]:
    filters = FeatureExtractor.get_mel_filters(16_000, 400, n_mels=bands)
    return np.array([np.average(np.arange(len(row)), weights=row + 1e-12) for row in filters])
