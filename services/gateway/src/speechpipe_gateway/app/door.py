"""Who is let in: the handshake, the key, and the places that there are."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from speechpipe_common.wire import CLOSE_FULL
from speechpipe_gateway.admission import Limits, Load, Refuse, admit_session, admit_socket, best
from speechpipe_gateway.app.credentials import Credentials
from speechpipe_gateway.auth import ANYBODY, ApiKey
from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.live.state import QueueState


class _Places:
    """Connections that are open now."""

    def __init__(self) -> None:
        self.sessions = 0
        self.unauthenticated = 0
        self.by_key: Counter[str] = Counter()
        self.by_address: Counter[str] = Counter()


class Door:
    """Decides on every connection and counts those inside.

    Args:
        limits: how many there may be.
        credentials: what is to be shown, or None to let everybody in.
        queues: what is known of each Redis that takes new sessions.
        emptied: of those that only keep the sessions that they have.
    """

    def __init__(
        self,
        limits: Limits,
        credentials: Credentials | None,
        queues: Sequence[QueueState],
        emptied: Sequence[QueueState] = (),
    ) -> None:
        self.limits = limits
        self.draining = False
        self._credentials = credentials
        self._queues = tuple(queues)
        self._emptied = tuple(emptied)
        self._places = _Places()

    async def identify(self, token: str | None, address: str) -> ApiKey | None:
        """Who shows this token in the handshake; None when an ``auth`` message must follow.

        Raises:
            ProtocolError: the token is nobody's.
        """
        if self._credentials is None:
            return ANYBODY
        if token is None:
            return None
        found = self._credentials.find(token)
        if found is not None:
            return found
        # Who waits for signing keys has shown nothing yet: it takes one of the few places of such.
        if refusal := self.admit(None, address):
            raise ProtocolError(refusal.code, refusal.message, CLOSE_FULL)
        with self.waiting(address):
            return await self._credentials.find_anew(token)

    async def identify_later(self, token: str) -> ApiKey:
        """Who shows this token in an ``auth`` message.

        Raises:
            ProtocolError: the token is nobody's, or all places of its key are taken.
        """
        key = ANYBODY
        if self._credentials is not None:
            key = self._credentials.find(token) or await self._credentials.find_anew(token)
        refusal = self.admit(key)
        if refusal is not None:
            raise ProtocolError(refusal.code, refusal.message, CLOSE_FULL)
        return key

    def admit_new(self, key: ApiKey) -> Refuse | None:
        """Whether a client that is inside, since it said it came back, may begin a new session after all."""
        return self._admit(key, resuming=False, itself=1)

    def admit(self, key: ApiKey | None, address: str = "", *, resuming: bool = False) -> Refuse | None:
        """Whether there is a place; a client without a key gets one of those that are kept for a few seconds."""
        if key is not None:
            return self._admit(key, resuming=resuming)
        decision = admit_socket(
            self.limits, self._places.unauthenticated, self._places.by_address[address], draining=self.draining
        )
        return decision if isinstance(decision, Refuse) else None

    def _admit(self, key: ApiKey, *, resuming: bool, itself: int = 0) -> Refuse | None:
        """Whether any Redis has a place. Where a session that resumes lies is not known before it says its token."""
        queues = self._queues + (self._emptied if resuming else ())
        loads = [self._load(key, queue, itself) for queue in queues]
        decisions = [admit_session(self.limits, load, key.max_sessions, resuming=resuming) for load in loads]
        return best(decisions)

    @contextmanager
    def waiting(self, address: str) -> Iterator[None]:
        """A connection without a key is open inside this block."""
        self._places.unauthenticated += 1
        self._places.by_address[address] += 1
        try:
            yield
        finally:
            self._places.unauthenticated -= 1
            self._places.by_address[address] -= 1
            if not self._places.by_address[address]:
                del self._places.by_address[address]

    @contextmanager
    def inside(self, key_id: str) -> Iterator[None]:
        """A connection of this key is open inside this block."""
        self._places.sessions += 1
        self._places.by_key[key_id] += 1
        try:
            yield
        finally:
            self._places.sessions -= 1
            self._places.by_key[key_id] -= 1
            if not self._places.by_key[key_id]:
                del self._places.by_key[key_id]

    def _load(self, key: ApiKey, queue: QueueState, itself: int) -> Load:
        return Load(
            sessions=self._places.sessions - itself,
            key_sessions=self._places.by_key[key.id] - itself,
            queue_depth=queue.depth,
            memory_percent=queue.memory * 100 if queue.memory else None,
            redis_ready=queue.known,
            draining=self.draining,
        )
