"""Binary frames of ``/v1/listen`` on their way to a session: what they hold, in whole samples. Pure."""

from speechpipe_common.wire import SampleFormat, Start
from speechpipe_gateway.containers.kinds import SNIFF_BYTES, sniff
from speechpipe_gateway.deepgram.options import Listen
from speechpipe_gateway.dialect import ProtocolError


class Frames:
    """One connection's audio. Samples may be cut anywhere; a container begins with what it is.

    Args:
        listen: what the query said of it.
    """

    def __init__(self, listen: Listen) -> None:
        self._listen = listen
        self._samples = listen.samples
        self._unit = self._samples.frame_bytes if self._samples else 1
        self._rest = b""

    def declared(self) -> Start | None:
        """The session's start, where the query has said what the frames hold."""
        return None if self._listen.format in (None, "opus") else self._start(self._listen.format)

    def found(self, frame: bytes) -> Start | None:
        """The same, from the first frames; None while they are too short to tell. They go through ``whole`` as well.

        Raises:
            ProtocolError: they are no container.
        """
        head = self._rest + frame
        kind = sniff(head)
        if kind is not None:
            return self._start(kind)
        if self._listen.format == "opus":
            return self._start("opus")
        if len(head) < SNIFF_BYTES:
            self._rest = head
            return None
        raise ProtocolError(
            "unknown_container",
            f"the audio begins with {head[:SNIFF_BYTES].hex(' ')}, which is no WebM, Ogg or WAV; send one of these, or "
            "say encoding and sample_rate",
        )

    def whole(self, frame: bytes) -> bytes:
        """Whole samples of all channels; the rest comes with the next frame."""
        frame = self._rest + frame
        size = len(frame) - len(frame) % self._unit
        self._rest = frame[size:]
        return frame[:size]

    def _start(self, format_: SampleFormat) -> Start:
        listen = self._listen
        return Start(
            format=format_,
            sample_rate=self._samples.sample_rate if self._samples else 16_000,
            channels=self._samples.channels if self._samples else 1,
            silence_threshold_seconds=listen.silence_seconds,
            partials=listen.interim_results,
            hotwords=listen.hotwords,
        )
