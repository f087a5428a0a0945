"""Decodes one stream in a process of its own, which :mod:`~speechpipe_gateway.containers.stream` starts.

Standard input has the stream's bytes in pieces, each ``u32 LE length`` and that many bytes; a length of 0 ends it.
Standard output has 48 kHz mono int16, framed likewise; there a length of 0 says that all that can be decoded of what
came has been said, and asks for the next piece. When nothing can be decoded, standard error gets one line, and the
status is :data:`REFUSED`.
"""

import io
import struct
import sys
import wave
from collections.abc import Iterator
from typing import BinaryIO, Final

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from speechpipe_gateway.containers.kinds import CONTAINERS, RATE
from speechpipe_gateway.files.sandbox import confine

REFUSED: Final = 3
LENGTH: Final = struct.Struct("<I")
BLOCK_BYTES: Final = RATE * 2
"""A second, at most, in each frame of the output."""
BAD_PACKETS: Final = 100
"""Packets in a row that cannot be decoded, after which the rest is not tried."""

_SILENCE: Final = b"\xf8\xff\xfe"
"""An Opus packet of 20 ms."""
_DEMUXERS: Final = {"webm": "matroska", "ogg": "ogg"}


class StreamError(Exception):
    """The stream has nothing that can be decoded; says what is wrong with it."""


class Pieces:
    """Standard input as FFmpeg reads a file: it asks for bytes, and they come when the client has sent them.

    Before it waits, everything decoded so far is handed over.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._rest = b""
        self._ended = False
        self._ready = bytearray()

    def put(self, pcm: bytes) -> None:
        """Hand decoded audio over, now or before the next wait."""
        self._ready += pcm
        if len(self._ready) >= BLOCK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was put."""
        if self._ready:
            self._sink.write(LENGTH.pack(len(self._ready)) + self._ready)
            self._ready.clear()

    def read(self, size: int) -> bytes:
        """At least one byte, at most ``size``; none at the end."""
        if not self._rest:
            self._rest = self.piece()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def piece(self) -> bytes:
        """The next piece, whole; empty at the end."""
        if self._ended:
            return b""
        self.flush()
        self._sink.write(LENGTH.pack(0))
        self._sink.flush()
        head = self._source.read(LENGTH.size)
        piece = self._source.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
        self._ended = not piece
        return piece


def contained(pieces: Pieces, demuxer: str) -> Iterator[AudioFrame]:
    """Frames of the first audio stream of a container.

    Raises:
        StreamError: it is not what it seems to be, or its audio is not Opus.
        av.error.FFmpegError: it cannot be read.
    """
    # The demuxer reads through `pieces`, so no protocol is opened; the lists are a second lock on the same door.
    options = {"protocol_whitelist": "none", "format_whitelist": demuxer, "codec_whitelist": "opus"}
    with av.open(pieces, "r", demuxer, options, metadata_errors="replace", buffer_size=4_096) as container:
        if not container.streams.audio:
            raise StreamError("it has no audio stream")
        stream = container.streams.audio[0]
        codec = getattr(stream.codec_context, "name", "in no known codec")  # None where FFmpeg has no decoder
        if codec != "opus":
            raise StreamError(f"its audio is {codec}; send Opus")
        bad = 0
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                bad += 1
                if bad >= BAD_PACKETS:
                    raise
                continue
            bad = 0
            yield from frames


def bare(pieces: Pieces) -> Iterator[AudioFrame]:
    """Frames of a stream of packets, one in each piece.

    Raises:
        av.error.FFmpegError: a packet is none.
    """
    codec = av.CodecContext.create("opus", "r")
    if not isinstance(codec, AudioCodecContext):
        raise AssertionError("Opus is audio")
    codec.sample_rate = RATE
    codec.layout = "stereo"
    while piece := pieces.piece():
        yield from codec.decode(av.Packet(piece))


def unpack(pieces: Pieces, kind: str) -> None:
    """Decode everything.

    Raises:
        StreamError: see ``contained``.
        av.error.FFmpegError: likewise.
    """
    mono = AudioResampler("s16", "mono", RATE)
    for frame in bare(pieces) if kind == "opus" else contained(pieces, _DEMUXERS[kind]):
        frame.pts = None
        for out in mono.resample(frame):
            pieces.put(bytes(out.planes[0])[: out.samples * 2])
    pieces.flush()


def main() -> int:
    """Decode standard input; its kind is the only argument."""
    kind = sys.argv[1]
    if kind not in CONTAINERS:
        raise SystemExit(f"{kind!r} is no container; say one of {', '.join(CONTAINERS)}")
    _warm_up()
    confine(niceness=0)  # somebody speaks now
    try:
        unpack(Pieces(sys.stdin.buffer, sys.stdout.buffer), kind)
        sys.stdout.buffer.flush()
    except StreamError as error:
        return _say(str(error))
    except MemoryError:
        return _say("decoding it takes more memory than a stream is given")
    except av.error.FFmpegError as error:
        return _say(f"it cannot be read: {error.strerror}")
    return 0


def _warm_up() -> None:
    """Decode something of our own: libraries load some of their parts only when they are used."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(4 * 80))
    made.seek(0)
    mono = AudioResampler("s16", "mono", RATE)
    with av.open(made, "r", format="wav") as opened:
        for frame in opened.decode(opened.streams.audio[0]):
            mono.resample(frame)
    silence = LENGTH.pack(len(_SILENCE)) + _SILENCE
    unpack(Pieces(io.BytesIO(silence), io.BytesIO()), "opus")


def _say(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
