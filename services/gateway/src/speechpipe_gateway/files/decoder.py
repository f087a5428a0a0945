"""Decodes one file in a process of its own, which :mod:`~speechpipe_gateway.files.decoding` starts.

Standard input is the file, standard output 16 kHz mono int16 as it is decoded. When that fails, standard error gets
one line, ``code message``, and the status is :data:`REFUSED`.
"""

import io
import sys
import wave
from collections.abc import Iterator
from typing import BinaryIO, Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from speechpipe_gateway.files.sandbox import confine
from speechpipe_gateway.files.sniffing import CODECS, CONTAINERS, REFUSED
from speechpipe_gateway.media.errors import MediaError
from speechpipe_gateway.media.pcm import Encoding, PcmFormat, to_int16, to_mono
from speechpipe_gateway.media.resample import Resampler

BAD_PACKETS: Final = 100
"""Packets in a row that cannot be decoded, after which the rest is not tried."""


class DecodeError(Exception):
    """The file has nothing that can be decoded.

    Attributes:
        code: one word.
        message: what is wrong with the file.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def decode(file: BinaryIO, container: str) -> Iterator[NDArray[np.int16]]:
    """Samples of the first audio stream.

    Args:
        file: can be sought in.
        container: one of ``CONTAINERS``; no other demuxer is tried.

    Raises:
        DecodeError: the file is not what it seems to be, or has no audio.
        MediaError: its rate or number of channels is not taken.
        av.error.FFmpegError: it cannot be read.
    """
    # The demuxers read through `file`, so no protocol is opened; the whitelists are a second lock on the same door.
    options = {"protocol_whitelist": "none", "format_whitelist": container, "codec_whitelist": ",".join(sorted(CODECS))}
    with av.open(file, "r", format=container, options=options, metadata_errors="replace") as opened:
        if not opened.streams.audio:
            raise DecodeError("no_audio", "the file has no audio stream")
        stream = opened.streams.audio[0]
        codec = getattr(stream.codec_context, "name", "in no known codec")  # None where FFmpeg has no decoder
        if codec not in CODECS:
            raise DecodeError("unsupported_codec", f"its audio is {codec}, which is not taken")
        stream.codec_context.thread_type = "NONE"
        yield from _resampled(_frames(opened, stream))


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    bad, good = 0, False
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError as error:
            bad += 1
            if bad >= BAD_PACKETS:
                break
            last = error
            continue
        bad, good = 0, good or bool(frames)
        yield from frames
    if bad and not good:
        raise DecodeError("invalid_file", f"nothing in it can be decoded: {last.strerror}")


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[NDArray[np.int16]]:
    """As a client's stream of the same samples becomes session audio, sample by sample."""
    pcm: PcmFormat | None = None
    strange = 0
    for frame in frames:
        encoding: Encoding = "s16" if frame.format.name in ("s16", "s16p") else "f32"
        found = PcmFormat(frame.sample_rate, len(frame.layout.channels), encoding)
        if pcm is None:
            pcm = found
            packed = AudioResampler("s16" if encoding == "s16" else "flt", frame.layout, frame.sample_rate)
            resampler = Resampler(pcm.sample_rate)
        strange = strange + 1 if found != pcm else 0
        if strange >= BAD_PACKETS:
            raise DecodeError("invalid_file", "its sample rate or its channels change on the way")
        if strange:  # damage that looks like another header
            continue
        for out in packed.resample(frame):
            yield to_int16(resampler.feed(to_mono(bytes(out.planes[0])[: out.samples * pcm.frame_bytes], pcm)))
    if pcm is not None:
        yield to_int16(resampler.finish())


def main() -> int:
    """Decode standard input; the container's name is the only argument."""
    container = sys.argv[1]
    if container not in CONTAINERS:
        raise SystemExit(f"{container!r} is no container; say one of {', '.join(CONTAINERS)}")
    _warm_up()
    confine()
    try:
        for samples in decode(sys.stdin.buffer, container):
            sys.stdout.buffer.write(samples.astype("<i2").tobytes())
        sys.stdout.buffer.flush()
    except (DecodeError, MediaError) as error:
        return _say(error.code, error.message)
    except MemoryError:
        return _say("file_too_complex", "decoding it takes more memory than a file is given")
    except av.error.FFmpegError as error:
        return _say("invalid_file", f"it cannot be read as {container}: {error.strerror}")
    return 0


def _warm_up() -> None:
    """Decode a file of our own: libraries load some of their parts only when they are used."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(4 * 800))
    made.seek(0)
    for _ in decode(made, "wav"):
        pass


def _say(code: str, message: str) -> int:
    sys.stderr.write(f"{code} {message}\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main())
