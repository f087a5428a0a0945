"""The calls that the batched engine is made of, on a real model."""

import subprocess
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import ctranslate2
import jiwer
import numpy as np
import pytest
from clips import Clip
from whisper_normalizer.basic import BasicTextNormalizer

from speechpipe_stt.batched.attempts import window_for
from speechpipe_stt.batched.features import rows
from speechpipe_stt.batched.model import Draft, WhisperCalls, shares
from speechpipe_stt.whisper import FasterWhisperEngine


@pytest.fixture(scope="module")
def calls(base_model: Path) -> WhisperCalls:
    """Whisper base, two calls at a time."""
    return WhisperCalls(FasterWhisperEngine(base_model, device="cpu", cpu_threads=2, apart=True).model)


def written(calls: WhisperCalls, clip: Clip, *, most_tokens: int, context: tuple[int, ...] = ()) -> Draft:
    """What one greedy attempt writes of a clip."""
    mel = calls.features(clip.audio)
    encoded = calls.encode([mel], [window_for(mel.shape[1] + 130)])
    prompts = [calls.prompt(context, "en")]
    seconds = [len(clip.audio) / 16_000]
    (draft,) = calls.generate(encoded, prompts, beam_size=1, temperature=0, most_tokens=most_tokens, speech=seconds)
    return draft


@pytest.mark.parametrize("context", [(), (1375,) * 40])
def test_a_text_has_as_many_tokens_as_it_may(calls: WhisperCalls, human: list[Clip], context: tuple[int, ...]) -> None:
    """The limit is the one that was asked for, with a prompt or without: what is cut off there is seen to be."""
    longest = max(human, key=lambda clip: len(clip.audio))
    assert written(calls, longest, most_tokens=12, context=context).length == 12


def test_the_end_of_the_speech_is_told(calls: WhisperCalls, human: list[Clip]) -> None:
    """The decoder writes when what it heard was over: that is how echoes are found."""
    drafts = [written(calls, clip, most_tokens=100) for clip in human]
    ends = [draft for draft in drafts if draft.length > len(draft.tokens) + 1]
    assert len(ends) >= len(drafts) / 2


def drafts(calls: WhisperCalls, clips: Sequence[Clip]) -> list[Draft]:
    """What one greedy attempt of several clips together writes."""
    mels = [calls.features(clip.audio) for clip in clips]
    encoded = calls.encode(mels, [window_for(mel.shape[1] + 130) for mel in mels])
    prompts = [calls.prompt((), clip.language) for clip in clips]
    seconds = [len(clip.audio) / 16_000 for clip in clips]
    return calls.generate(encoded, prompts, beam_size=1, temperature=0, most_tokens=100, speech=seconds)


def test_replicas_write_what_one_writes(calls: WhisperCalls, base_model: Path, human: list[Clip]) -> None:
    """Shared out among replicas, texts come back in order, and are those of one replica that has them all."""
    clips = (human * 2)[:10]
    one = WhisperCalls(FasterWhisperEngine(base_model, device="cpu", cpu_threads=1, apart=True).model)
    assert [draft.text for draft in drafts(calls, clips)] == [draft.text for draft in drafts(one, clips)]


def test_without_rules_the_text_is_the_same(calls: WhisperCalls, base_model: Path, human: list[Clip]) -> None:
    """Where nobody forces timestamps, as on a GPU, the decoder writes the same words, and most timestamps."""
    model = FasterWhisperEngine(base_model, device="cpu", cpu_threads=1).model
    free = drafts(WhisperCalls(model, rules=False), human)
    normalize = BasicTextNormalizer()
    texts = [[normalize(draft.text) for draft in each] for each in (drafts(calls, human), free)]
    assert jiwer.wer(*texts) <= 0.05
    assert len([draft for draft in free if draft.length > len(draft.tokens) + 1]) >= len(human) / 2


@pytest.mark.parametrize(
    ("rows", "texts", "replicas", "parts"),
    [(1, 1, 4, 1), (1, 5, 4, 1), (2, 5, 4, 2), (7, 1, 2, 1), (8, 1, 2, 2), (32, 5, 4, 4), (32, 1, 1, 1)],
)
def test_each_replica_has_enough_to_do(rows: int, texts: int, replicas: int, parts: int) -> None:
    """As many as there are, if each gets four texts at least; every row is somebody's, and nobody has two more."""
    shared = shares(rows, texts, replicas)
    assert len(shared) == parts
    assert sorted(chain(*shared)) == list(range(rows))
    assert max(map(len, shared)) - min(map(len, shared)) <= 1


def test_rows_come_in_the_order_they_are_asked_for() -> None:
    """Some rows, and all of them in another order."""
    values = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    encoded = ctranslate2.StorageView.from_array(values)
    for indices in ([0, 1, 2, 3], [2, 0], [3, 1, 0, 2]):
        assert np.array_equal(np.array(rows(encoded, indices)), values[indices])


def test_texts_of_like_length_are_aligned_together(calls: WhisperCalls) -> None:
    """On a CPU four at a time, the shortest first, each once."""
    lengths = {7: 30, 1: 5, 4: 31, 3: 6, 0: 29, 2: 4}
    assert calls.alignments(lengths) == [[2, 1, 3, 0], [7, 4]]


def test_numpy_multiplies_on_one_thread() -> None:
    """A worker's features start no threads that would spin between two of them."""
    program = """
import os
import speechpipe_stt.__main__
import numpy
numbers = numpy.ones((500, 500))
numbers @ numbers
print(len(os.listdir("/proc/self/task")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "1\n"
