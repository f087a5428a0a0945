"""What kind of file the first bytes show. Pure; names and types that a client gives are not believed."""

from typing import Final

SNIFF_BYTES: Final = 16

CONTAINERS: Final = ("flac", "matroska", "mp3", "mp4", "mpeg", "ogg", "wav")
"""FFmpeg's names of the demuxers that are ever opened: none of them follows an address that stands in a file."""

SUPPORTED: Final = "flac, m4a, mp3, mp4, mpeg, mpga, oga, ogg, wav, webm"

CODECS: Final = frozenset(
    {
        *("aac", "alac", "flac", "opus", "vorbis"),
        *("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"),
        *("pcm_alaw", "pcm_mulaw", "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le"),
        *("pcm_s16be", "pcm_s24be", "pcm_s32be", "adpcm_ms", "adpcm_ima_wav"),
    }
)
"""FFmpeg's names of the decoders that are ever opened."""

REFUSED: Final = 3
"""Exit status of a decoder that has said why."""

_MAGIC: Final = (
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"ID3", "mp3"),
    (b"\x00\x00\x01\xba", "mpeg"),
)


def container_of(head: bytes) -> str | None:
    """One of :data:`CONTAINERS`; None for anything else.

    Args:
        head: the first ``SNIFF_BYTES`` bytes, or all there are.
    """
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[4:8] == b"ftyp":
        return "mp4"
    for magic, container in _MAGIC:
        if head.startswith(magic):
            return container
    return "mp3" if _begins_mpeg_audio(head) else None


def _begins_mpeg_audio(head: bytes) -> bool:
    """Whether a frame header of MPEG audio stands here (ISO/IEC 11172-3, 2.4.1.3): sync, and no reserved value.

    Layer 0 is reserved, which is how AAC in ADTS is told apart.
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and layer != 0 and bitrate not in (0, 15) and rate != 3
