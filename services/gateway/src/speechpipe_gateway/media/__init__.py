"""A client's audio, in any format it may declare, as 16 kHz mono int16 samples."""

from speechpipe_gateway.media.audio_input import AudioInput
from speechpipe_gateway.media.errors import MediaError
from speechpipe_gateway.media.legacy import looks_legacy
from speechpipe_gateway.media.offsets import Offsets
from speechpipe_gateway.media.pcm import PcmFormat

__all__ = ["AudioInput", "MediaError", "Offsets", "PcmFormat", "looks_legacy"]
