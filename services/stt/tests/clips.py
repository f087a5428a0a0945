"""A recording as the tests use it."""

from dataclasses import dataclass

from speechpipe_stt.engine import Audio


@dataclass(frozen=True, eq=False)
class Clip:
    """A recording with its transcript."""

    name: str
    language: str
    text: str
    audio: Audio

    @property
    def pcm(self) -> bytes:
        """The samples as PCM16LE."""
        return (self.audio * 32767).clip(-32768, 32767).astype("<i2").tobytes()
