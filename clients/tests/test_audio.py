"""Reading files and pacing."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechpipe_client.audio import AudioError, AudioFile, Pace, paced, to_int16

TONE = (12_000 * np.sin(np.arange(8_000) / 4)).astype(np.int16)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "PCM_24"])
def test_every_sample_type_comes_out_at_its_own_loudness(subtype: str, tmp_path: Path):
    """Integer and float files of the same sound give the same PCM, whole and in order."""
    path = tmp_path / "tone.wav"
    soundfile.write(path, TONE.astype(np.float64) / 32_768, 16_000, subtype=subtype)
    file = AudioFile.open(path)
    assert (file.sample_rate, file.channels, file.seconds) == (16_000, 1, 0.5)
    assert b"".join(file.blocks()) == TONE.astype("<i2").tobytes()


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_compressed_files_read_in_blocks_are_the_file(suffix: str, tmp_path: Path):
    """FLAC, Ogg and MP3 give block by block what they give at once, but for rounding: none is lost or garbled."""
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, np.tile(TONE, 6) / 32_768, 16_000)
    whole, _ = soundfile.read(path, dtype="float32")
    pcm = np.frombuffer(b"".join(AudioFile.open(path).blocks()), "<i2")
    np.testing.assert_allclose(pcm, to_int16(whole), atol=1)


def test_floats_beyond_full_scale_are_clipped_not_wrapped(tmp_path: Path):
    """A float file that is too loud is clipped: no sign flips."""
    path = tmp_path / "loud.wav"
    soundfile.write(path, np.array([1.5, -1.5, 1.0]), 16_000, subtype="FLOAT")
    pcm = np.frombuffer(b"".join(AudioFile.open(path).blocks()), "<i2")
    assert pcm.tolist() == [32_767, -32_768, 32_767]


def test_an_empty_file_is_refused(tmp_path: Path):
    """A header without audio is an error that names the file."""
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0), 16_000)
    with pytest.raises(AudioError, match=r"empty\.wav: holds no audio"):
        AudioFile.open(path)


async def test_fast_pace_hands_blocks_out_unchanged():
    """Pacing changes nothing but time."""
    assert [block async for block in paced([b"ab", b"cd"], Pace.FAST, 2.0)] == [b"ab", b"cd"]
