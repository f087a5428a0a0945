"""Every Redis name, spelled once.

One pipeline is one prefix (empty by default); pipelines that share a Redis use different ones. A client's keys
all carry the client id, so that a shard chosen by client id holds them together and each Lua commit stays whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

STT_GROUP: Final = "stt_workers"
TRANSLATION_GROUP: Final = "translation_workers"

SAMPLE_RATE: Final = 16_000
"""Samples a second of session audio, whatever the client sends; all offsets are counted in these."""

SAMPLE_BYTES: Final = 2
"""Session audio is mono PCM16LE."""

BLOCK_SAMPLES: Final = 4 * SAMPLE_RATE
"""Samples in one audio key. Small enough that a long turn frees what is final, large enough that a segment
touches four keys at most."""

SESSION_TTL_SECONDS: Final = 3600
"""How long a session can be resumed, and its results replayed, after the last write to it."""

AUDIO_TTL_SECONDS: Final = 600
"""At least twice any resubmission deadline; refreshed by each submission."""


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Bytes ``[begin, end)`` of the audio block stored at ``key``."""

    key: str
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of streams, channels, hashes and sets under one prefix."""

    prefix: str = ""

    @property
    def audio_jobs(self) -> str:
        """Stream of finals and candidates for the STT workers; never trimmed."""
        return f"{self.prefix}audio_jobs"

    @property
    def audio_partials(self) -> str:
        """Stream of partial jobs, apart from ``audio_jobs`` so that they never stand in front of a final."""
        return f"{self.prefix}audio_jobs:partial"

    @property
    def transcriptions(self) -> str:
        """Stream of final texts to translate; never trimmed."""
        return f"{self.prefix}transcriptions"

    @property
    def text_partials(self) -> str:
        """Stream of partial texts to translate."""
        return f"{self.prefix}transcriptions:partial"

    @property
    def dead_letters(self) -> str:
        """Stream of jobs that were given up after ``MAX_DELIVERIES``, with the reason."""
        return f"{self.prefix}dead_letters"

    @property
    def sessions(self) -> str:
        """Sorted set: client id by the unix time of its gateway's last heartbeat; the sweeper reads it."""
        return f"{self.prefix}sessions"

    @property
    def probe(self) -> str:
        """String that is only ever written, to see whether Redis takes writes."""
        return f"{self.prefix}probe"

    def load(self, group: str) -> str:
        """Hash of a stage's counters, which only ever rise; work is milliseconds of audio.

        ``arrived_ms`` and ``arrived_jobs`` of finals and candidates put on the stream, ``done_ms`` of those settled,
        and ``busy_ms``, in which a worker handled at least one of them, summed over workers.
        """
        return f"{self.prefix}load:{group}"

    def cordon(self, group: str, consumer: str) -> str:
        """String that exists while a worker is to take no more jobs; ``seen`` once the worker takes none."""
        return f"{self.prefix}cordon:{group}:{consumer}"

    def results(self, client: str) -> str:
        """Both the replay stream (finals, final translations, failures) and the live channel of a client."""
        return f"{self.prefix}results:{client}"

    def session(self, client: str) -> str:
        """Hash with the session's epoch, owner, token hash, languages and options."""
        return f"{self.prefix}session:{client}"

    def segments(self, client: str) -> str:
        """Hash: segment id to its ``SegmentRecord``, for segments whose final is not committed yet."""
        return f"{self.prefix}segments:{client}"

    def candidates(self, client: str) -> str:
        """Hash: ``{segment}:{rev}`` to a decoded candidate that waits to be promoted."""
        return f"{self.prefix}candidates:{client}"

    def done(self, client: str) -> str:
        """Set of ``done_member`` values: what has been committed for this client, once and for ever."""
        return f"{self.prefix}done:{client}"

    def audio(self, client: str, turn: int, block: int) -> str:
        """String with the PCM16LE bytes of block number ``block`` of the turn that began at offset ``turn``."""
        return f"{self.prefix}audio:{client}:{turn}:{block}"

    def audio_ranges(self, client: str, turn: int, start: int, end: int) -> Iterator[BlockRange]:
        """The byte ranges that hold session samples ``[start, end)`` of a turn, in order.

        Raises:
            ValueError: the range is empty or begins before the turn.
        """
        if not turn <= start < end:
            raise ValueError(f"samples [{start}, {end}) are no range of the turn that begins at {turn}")
        position = start - turn
        stop = end - turn
        while position < stop:
            block, within = divmod(position, BLOCK_SAMPLES)
            until = min(BLOCK_SAMPLES, within + stop - position)
            yield BlockRange(self.audio(client, turn, block), within * SAMPLE_BYTES, until * SAMPLE_BYTES)
            position += until - within


def done_member(segment: int, kind: str, language: str = "") -> str:
    """Member of the ``done`` set: one per segment, kind (``final`` or ``translation``) and target language."""
    return f"{segment}:{kind}:{language}"
