"""The calls that the batched engine is made of, on a real model."""

import subprocess
import sys

import ctranslate2
import numpy as np
import pytest
from clips import Clip

from speechpipe_stt.batched.attempts import window_for
from speechpipe_stt.batched.features import rows
from speechpipe_stt.batched.model import Draft, WhisperCalls
from speechpipe_stt.whisper import FasterWhisperEngine


@pytest.fixture(scope="module")
def calls(reference: FasterWhisperEngine) -> WhisperCalls:
    """Whisper base."""
    return WhisperCalls(reference.model)


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
    """Nobody forces timestamps upon the decoder, and it writes most of them: that is how echoes are found."""
    drafts = [written(calls, clip, most_tokens=100) for clip in human]
    ends = [draft for draft in drafts if draft.length > len(draft.tokens) + 1]
    assert len(ends) >= len(drafts) / 2


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
