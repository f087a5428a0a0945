"""What streams are given to say: real clips from folders, and sound that is made."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechpipe_client.audio import AudioError
from speechpipe_client.load.clips import read_folder
from speechpipe_client.load.synthetic import synthetic_clips
from speechpipe_client.load.talker import Framing
from speechpipe_common.downloads import ASSETS, fetch


def test_clips_are_read_from_any_folder():
    """A folder without a manifest gives its audio, with the texts beside it and the languages of its folders."""
    found = read_folder(fetch(ASSETS["audioeval"]), Framing(20), ["en", "fr"], print)
    assert {clip.language for clip in found} == {"en", "fr"}
    (fox,) = [clip for clip in found if clip.name == "quick_brown_fox"]
    assert "quick brown fox" in fox.text
    assert 0 <= fox.onset < fox.end <= len(fox.frames) * 0.02


def test_a_manifest_names_files_texts_and_languages(tmp_path: Path):
    """Entries of a manifest are read at any rate and with any channels, and only those in the wanted languages."""
    tone = np.sin(np.arange(22_050) / 10).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], 1), 22_050)
    soundfile.write(tmp_path / "b.flac", tone, 44_100)
    (tmp_path / "manifest.json").write_text(
        '[{"file": "a.wav", "text": "A tone.", "language": "en"}, {"file": "b.flac", "language": "fr"}]'
    )
    (one,) = read_folder(tmp_path, Framing(100), ["en"], print)
    assert (one.name, one.text, len(one.frames)) == ("a", "A tone.", 10)
    assert [each.name for each in read_folder(tmp_path, Framing(100), [], print)] == ["a", "b"]


def test_a_file_that_is_no_audio_is_named(tmp_path: Path):
    """What can't be read is an error with its name, before anything is loaded."""
    (tmp_path / "noise.wav").write_bytes(b"no audio at all")
    with pytest.raises(AudioError, match=r"noise\.wav: can't be read as audio"):
        read_folder(tmp_path, Framing(100), ["en"], print)


def test_made_speech_is_the_same_for_the_same_seed():
    """Utterances of several lengths, loud, with a pause at the end of none, the same each time."""
    made = synthetic_clips(Framing(100))
    assert [clip.frames for clip in made] == [clip.frames for clip in synthetic_clips(Framing(100))]
    assert len({len(clip.frames) for clip in made}) == len(made)
    assert all(clip.end - clip.onset > 1.0 for clip in made)
    assert {clip.text for clip in made} == {""}
