"""How long audio is kept: by the client (``audio_ack``) and in Redis (blocks of turns)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from speechpipe_common.keys import BLOCK_SAMPLES
from speechpipe_common.messages import AudioJob
from speechpipe_common.wire import AudioAck
from speechpipe_gateway.session.effects import Effect, Release, Save, Send
from speechpipe_gateway.session.segment import Segment


@dataclass(slots=True)
class _Turn:
    """Audio of a turn in Redis: blocks ``[released, …)`` up to offset ``end``."""

    released: int
    end: int


class Keeper:
    """Decides when audio may be forgotten.

    Args:
        acked: offset that the client was told last.
        ack_every: samples by which ``audio_ack`` must move to be worth saying.
        to_client: converts a session offset to a frame of the client's audio.
    """

    def __init__(self, acked: int, ack_every: int, to_client: Callable[[int], int]) -> None:
        self._acked = acked
        self._ack_every = ack_every
        self._to_client = to_client
        self._turns: dict[int, _Turn] = {}

    def stored(self, job: AudioJob) -> None:
        """Audio of this job is on its way to Redis."""
        turn = self._turns.setdefault(job.turn, _Turn(0, job.end))
        turn.end = max(turn.end, job.end)

    def settle(self, oldest: int, cursor: str, going_on: int | None, segments: Iterable[Segment]) -> list[Effect]:
        """Acknowledge up to ``oldest``, and delete the blocks that no segment needs.

        Args:
            oldest: offset before which no audio is needed.
            cursor: id of the last result that was sent.
            going_on: the turn that is still open.
            segments: all that have no final.
        """
        effects: list[Effect] = []
        if oldest - self._acked >= self._ack_every:
            self._acked = oldest
            # Written before it is said: whoever takes over must never ask for what the client has dropped.
            effects.append(Save({"acked": str(oldest)}))
            effects.append(Send(AudioAck(offset=self._to_client(oldest), cursor=cursor)))
        starts = {segment.turn: segment.start for segment in sorted(segments, key=lambda s: -s.start)}
        for turn, audio in list(self._turns.items()):
            effects += self._release(turn, audio, starts.get(turn, oldest if turn == going_on else None))
        return effects

    def _release(self, turn: int, audio: _Turn, needed_from: int | None) -> list[Effect]:
        if needed_from is None:
            until = -(-(audio.end - turn) // BLOCK_SAMPLES)
            del self._turns[turn]
        else:
            until = (min(needed_from, audio.end) - turn) // BLOCK_SAMPLES
        blocks = tuple(range(audio.released, until))
        audio.released = max(until, audio.released)
        return [Release(turn, blocks)] if blocks else []
