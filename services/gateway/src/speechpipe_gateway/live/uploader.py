"""Puts a segment's audio into Redis: once, in order, and mended where Redis lost some."""

from speechpipe_common.keys import BLOCK_SAMPLES
from speechpipe_common.messages import AudioJob
from speechpipe_common.store import SessionStore
from speechpipe_gateway.session.tape import Tape


class AudioGoneError(Exception):
    """Redis lacks audio that this gateway does not have either (the client has not sent it again yet)."""


class Uploader:
    """Uploads the turns of one session.

    Args:
        store: where to.
        client: the session.
        epoch: this gateway's epoch.
        tape: where from.
    """

    def __init__(self, store: SessionStore, client: str, epoch: int, tape: Tape) -> None:
        self._store = store
        self._client = client
        self._epoch = epoch
        self._tape = tape
        self._uploaded: dict[int, int] = {}
        """Turn to the offset up to which Redis has its audio."""
        self.bytes_sent = 0

    async def ensure(self, job: AudioJob, *, mend: bool) -> None:
        """See that Redis holds the job's whole range.

        Args:
            job: names the turn and the range.
            mend: ask Redis what it has of each block instead of trusting what was sent.

        Raises:
            AudioGoneError: part of it is neither in Redis nor on the tape.
        """
        self._forget_before(job.turn)
        position = self._uploaded.get(job.turn, job.turn)
        if mend or position < _first_block(job):
            # Blocks before the job's first are not ours to fill: their segments are final, or another job's.
            position = self._uploaded[job.turn] = await self._verified(job)
        while position < job.end:
            position = await self._append(job, position)
            self._uploaded[job.turn] = position

    def _forget_before(self, turn: int) -> None:
        """Turns before this one that are off the tape have all their finals."""
        over = [old for old, end in self._uploaded.items() if old < turn and end <= self._tape.start]
        for old in over:
            del self._uploaded[old]

    async def _verified(self, job: AudioJob) -> int:
        """First offset, from the job's first block on, that Redis does not have."""
        position = _first_block(job)
        while position < job.end:
            block = (position - job.turn) // BLOCK_SAMPLES
            _, length = await self._store.append(self._client, self._epoch, job.turn, block, -1, b"")
            if length < BLOCK_SAMPLES * 2:
                return position + length // 2
            position += BLOCK_SAMPLES
        return position

    async def _append(self, job: AudioJob, position: int) -> int:
        block, within = divmod(position - job.turn, BLOCK_SAMPLES)
        until = min(position + BLOCK_SAMPLES - within, job.end)
        pcm = self._read(job, position, until)
        fitted, length = await self._store.append(self._client, self._epoch, job.turn, block, within * 2, pcm)
        self.bytes_sent += len(pcm)
        if fitted:
            return until
        # Redis has less than was sent (it lost its last writes) or more (the reply to an append was lost).
        return job.turn + block * BLOCK_SAMPLES + length // 2

    def _read(self, job: AudioJob, start: int, end: int) -> bytes:
        """Samples from the tape; zeros for what lies before the job's segment and is final and forgotten."""
        tape = self._tape
        forgotten = max(0, min(end, tape.start) - start)
        if (forgotten and start + forgotten > job.start) or end > tape.end:
            raise AudioGoneError(
                f"samples [{start}, {end}) of turn {job.turn}; the tape has [{tape.start}, {tape.end})"
            )
        return bytes(forgotten * 2) + tape.read(start + forgotten, end)


def _first_block(job: AudioJob) -> int:
    """Offset at which the block that holds the job's first sample begins."""
    return job.start - (job.start - job.turn) % BLOCK_SAMPLES
