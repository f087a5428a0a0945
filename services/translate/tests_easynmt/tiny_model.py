"""A tiny English to German Marian model, trained on the spot and saved as OPUS-MT models are, and its conversion.

There is no model hub in the tests and benches, and both engines take this one for a model of the hub.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sentencepiece
import torch
from ctranslate2.converters import TransformersConverter
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

SUBJECTS: Final = {"the dog": "der Hund", "the cat": "die Katze", "my friend": "mein Freund", "the child": "das Kind"}
VERBS: Final = {
    "sleeps": "schläft",
    "sings": "singt",
    "is here": "ist hier",
    "sees the house": "sieht das Haus",
    "drinks water": "trinkt Wasser",
    "reads a book": "liest ein Buch",
}
PAIRS: Final = {
    f"{subject} {verb}": f"{subjekt} {verbum}"
    for subject, subjekt in SUBJECTS.items()
    for verb, verbum in VERBS.items()
}
"""What a model can learn by heart in seconds."""

NAME: Final = "opus-mt-en-de"
POSITIONS: Final = 64
_SPECIAL: Final = ("</s>", "<unk>", "<pad>")


@dataclass(frozen=True, slots=True)
class Shape:
    """How big a network is, and how it is trained.

    Attributes:
        width: of its vectors.
        layers: of encoder and decoder each.
        inner: width of its feed-forward layers.
        heads: of each attention.
        vocabulary: pieces at least; beyond those that occur, they are never learned.
        steps: of training, each over all pairs.
        rate: of learning.
    """

    width: int = 64
    layers: int = 2
    inner: int = 128
    heads: int = 4
    vocabulary: int = 0
    steps: int = 300
    rate: float = 3e-3


TINY: Final = Shape()


def make_model(folder: Path, pairs: Mapping[str, str] = PAIRS, shape: Shape = TINY) -> float:
    """Train a network on ``pairs`` and save it and its tokenizer as ``folder/opus-mt-en-de``; returns the last loss."""
    torch.manual_seed(7)
    tokenizer = _tokenizer(folder, pairs, shape)
    network = _network(tokenizer, shape)
    loss = _learn(network, tokenizer, pairs, shape)
    network.save_pretrained(folder / NAME)
    tokenizer.save_pretrained(folder / NAME)
    return loss


def convert_model(original: Path, folder: Path) -> None:
    """Convert ``original/opus-mt-en-de`` to ``folder/opus-mt-en-de`` with CTranslate2's own converter."""
    converter = TransformersConverter(str(original / NAME), copy_files=["source.spm", "target.spm"])
    converter.convert(str(folder / NAME))


def _train_pieces(folder: Path, name: str, sentences: Sequence[str]) -> list[str]:
    """Train SentencePiece on ``sentences`` into ``folder``; returns its pieces."""
    text = folder / f"{name}.txt"
    text.write_text("\n".join(sentences))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(folder / name),
        vocab_size=90,
        hard_vocab_limit=False,
        character_coverage=1.0,
        bos_id=-1,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{name}.model"))
    return [pieces.id_to_piece(index) for index in range(pieces.get_piece_size())]


def _tokenizer(folder: Path, pairs: Mapping[str, str], shape: Shape) -> MarianTokenizer:
    found = {*_train_pieces(folder, "source", list(pairs)), *_train_pieces(folder, "target", list(pairs.values()))}
    words = [_SPECIAL[0], _SPECIAL[1], *sorted(found - set(_SPECIAL))]
    words += [f"\u2581unused{number}" for number in range(len(words) + 1, shape.vocabulary)]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({word: index for index, word in enumerate([*words, _SPECIAL[2]])}))
    return MarianTokenizer(
        source_spm=str(folder / "source.model"),
        target_spm=str(folder / "target.model"),
        vocab=str(vocabulary),
        source_lang="en",
        target_lang="de",
        model_max_length=POSITIONS,
    )


def _network(tokenizer: MarianTokenizer, shape: Shape) -> MarianMTModel:
    return MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer),
            d_model=shape.width,
            encoder_layers=shape.layers,
            decoder_layers=shape.layers,
            encoder_attention_heads=shape.heads,
            decoder_attention_heads=shape.heads,
            encoder_ffn_dim=shape.inner,
            decoder_ffn_dim=shape.inner,
            max_position_embeddings=POSITIONS,
            activation_function="swish",
            dropout=0.0,
            scale_embedding=True,
            pad_token_id=tokenizer.pad_token_id,
            bad_words_ids=[[tokenizer.pad_token_id]],
            eos_token_id=tokenizer.eos_token_id,
            forced_eos_token_id=tokenizer.eos_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        )
    )


def _learn(network: MarianMTModel, tokenizer: MarianTokenizer, pairs: Mapping[str, str], shape: Shape) -> float:
    """Train on all pairs at once; returns the last loss, or infinity where there is no step."""
    last = float("inf")
    batch = tokenizer(list(pairs), text_target=list(pairs.values()), padding=True, return_tensors="pt")
    batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
    shared = network.get_input_embeddings().weight
    with torch.no_grad():
        shared[tokenizer.pad_token_id] = 0
    # Marian decodes from a zero embedding, which <pad> has in the published models, and CTranslate2 relies on that.
    keep = torch.ones(len(tokenizer), 1)
    keep[tokenizer.pad_token_id] = 0
    shared.register_hook(lambda gradient: gradient * keep)
    optimizer = torch.optim.Adam(network.parameters(), lr=shape.rate)
    network.train()
    for _ in range(shape.steps):
        loss = network(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        last = float(loss.item())
    return last
