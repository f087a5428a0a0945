"""A tiny English to German Marian model, trained here and saved as OPUS-MT models are, and its conversion."""

import json
import sys
from pathlib import Path

import pytest
import sentencepiece
import torch
from ctranslate2.converters import TransformersConverter
from transformers import MarianConfig, MarianMTModel, MarianTokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))  # for the hub on loopback

SUBJECTS = {"the dog": "der Hund", "the cat": "die Katze", "my friend": "mein Freund", "the child": "das Kind"}
VERBS = {
    "sleeps": "schläft",
    "sings": "singt",
    "is here": "ist hier",
    "sees the house": "sieht das Haus",
    "drinks water": "trinkt Wasser",
    "reads a book": "liest ein Buch",
}
PAIRS = {
    f"{subject} {verb}": f"{subjekt} {verbum}"
    for subject, subjekt in SUBJECTS.items()
    for verb, verbum in VERBS.items()
}
"""What the model learns by heart."""

STEPS = 300
POSITIONS = 64
SPECIAL = ("</s>", "<unk>", "<pad>")


def _train_pieces(folder: Path, name: str, sentences: list[str]) -> list[str]:
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


def _tokenizer(folder: Path) -> MarianTokenizer:
    found = {*_train_pieces(folder, "source", list(PAIRS)), *_train_pieces(folder, "target", list(PAIRS.values()))}
    words = [SPECIAL[0], SPECIAL[1], *sorted(found - set(SPECIAL)), SPECIAL[2]]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({word: index for index, word in enumerate(words)}))
    return MarianTokenizer(
        source_spm=str(folder / "source.model"),
        target_spm=str(folder / "target.model"),
        vocab=str(vocabulary),
        source_lang="en",
        target_lang="de",
        model_max_length=POSITIONS,
    )


def _network(tokenizer: MarianTokenizer) -> MarianMTModel:
    return MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer),
            d_model=64,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=128,
            decoder_ffn_dim=128,
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


def _learn(network: MarianMTModel, tokenizer: MarianTokenizer) -> float:
    """Train on all pairs at once; returns the last loss."""
    batch = tokenizer(list(PAIRS), text_target=list(PAIRS.values()), padding=True, return_tensors="pt")
    batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
    shared = network.get_input_embeddings().weight
    with torch.no_grad():
        shared[tokenizer.pad_token_id] = 0
    # Marian decodes from a zero embedding, which <pad> has in the published models, and CTranslate2 relies on that.
    keep = torch.ones(len(tokenizer), 1)
    keep[tokenizer.pad_token_id] = 0
    shared.register_hook(lambda gradient: gradient * keep)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    network.train()
    for _ in range(STEPS):
        loss = network(**batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.item())


@pytest.fixture(scope="session")
def pairs() -> dict[str, str]:
    """English sentences that the model knows by heart, with their German."""
    return PAIRS


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder with ``opus-mt-en-de`` in the layout of the hub."""
    torch.manual_seed(7)
    torch.set_num_threads(1)
    tokenizer = _tokenizer(tmp_path_factory.mktemp("training"))
    network = _network(tokenizer)
    assert _learn(network, tokenizer) < 0.05
    models = tmp_path_factory.mktemp("original")
    network.save_pretrained(models / "opus-mt-en-de")
    tokenizer.save_pretrained(models / "opus-mt-en-de")
    return models


@pytest.fixture(scope="session")
def converted(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder with the same network, converted by CTranslate2."""
    models = tmp_path_factory.mktemp("converted")
    converter = TransformersConverter(str(original / "opus-mt-en-de"), copy_files=["source.spm", "target.spm"])
    converter.convert(str(models / "opus-mt-en-de"))
    return models
