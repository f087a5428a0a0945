"""Opens sessions and takes them over: from what a client asked for to a ``LiveSession`` that runs."""

import re
import time
from dataclasses import dataclass
from typing import cast

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.shards import pinned
from speechpipe_common.store import StoredSession
from speechpipe_common.tracing import Tracing
from speechpipe_common.wire import Ready, Resume, SampleFormat, Start
from speechpipe_gateway.auth import hash_token, new_session_id, new_token
from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.live.outbox import Outbox
from speechpipe_gateway.live.session import LiveSession
from speechpipe_gateway.live.shards import Shard, Shards
from speechpipe_gateway.media import AudioInput
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session import Options, Replay, Save, SessionConfig, SessionCore, restore
from speechpipe_gateway.session.ledger import entry_key
from speechpipe_gateway.settings import GatewaySettings

PARTIAL_SECONDS = 5.0
"""How long a partial in flight blocks the next: longer than decoding 10 s on two cores takes."""

ACK_SAMPLES = 2 * SAMPLE_RATE
SHORTEST_SILENCE, LONGEST_SILENCE = 0.2, 10.0
LONGEST_HINT = 1_000
"""Characters of a prompt or of hotwords; Whisper itself keeps about 220 tokens."""

FURTHEST_OFFSET = 1 << 48
"""Frames: 46 years at 192 kHz."""

_CURSOR = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
"""An entry id of a Redis stream, two unsigned numbers of 64 bits; another one would fail there again and again."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that runs, and how its audio comes in."""

    session: LiveSession
    audio: AudioInput


class SessionFactory:
    """Makes the sessions of this gateway."""

    def __init__(
        self, settings: GatewaySettings, shards: Shards, metrics: GatewayMetrics, tracing: Tracing, instance: str
    ) -> None:
        self._settings = settings
        self._shards = shards
        self._metrics = metrics
        self._tracing = tracing
        self._instance = instance

    async def open(
        self, start: Start, options: Options, key_id: str, outbox: Outbox, *, most_pending: int | None = None
    ) -> Opened:
        """A new session; ``ready`` is in the outbox afterwards.

        Args:
            start: what the client declares.
            options: languages and hints.
            key_id: whose session it is.
            outbox: gets its messages.
            most_pending: segments that may wait for their finals, where that is less than the setting.

        Raises:
            ProtocolError: an option is out of its range.
            MediaError: audio of that kind is not taken.
            redis.RedisError: Redis does not take the session.
        """
        config = self._config(start, most_pending)
        audio = AudioInput(start)
        client = new_session_id()
        shard = self._shards.for_new(client)
        token = pinned(shard.number, new_token())
        captions = pinned(shard.number, new_token())
        core = SessionCore(client, 1, config, options, audio.to_client)
        core.fields |= _declaration(start) | {
            "token": hash_token(token),
            "key_id": key_id,
            # As it is, for each resume tells it again: whoever reads Redis has the captions themselves.
            "captions": captions,
            "owner": self._instance,
        }
        async with shard.opening:
            await shard.store.open(client, core.epoch, time.time(), core.fields)
        session = self._live(core, outbox, shard)
        outbox.put(_ready(client, (token, captions), start, audio, offset=0, cursor="0-0", resumed=False))
        await shard.hub.add(session)
        return Opened(session, audio)

    async def resume(self, resume: Resume, key_id: str, outbox: Outbox) -> Opened:
        """Take a session over, from another gateway or from an older connection to this one.

        Raises:
            ResumeDeniedError: no such session, or not its token or key.
            ProtocolError: the cursor or the offset is none.
            redis.RedisError: Redis is away.
        """
        _check_cursor(resume.cursor)
        _check_offset(resume.offset)
        shard = self._shards.of_token(resume.token)
        token = pinned(shard.number, new_token())
        await shard.hub.settle(resume.session_id)
        async with shard.opening:
            stored = await shard.store.take_over(
                resume.session_id,
                token_hash=hash_token(resume.token),
                new_token_hash=hash_token(token),
                key_id=key_id,
                owner=self._instance,
                now=time.time(),
            )
        start, cursor = _declared(stored), _reached(resume.cursor, stored)
        probe = AudioInput(start)
        restored = restore(stored, cursor, probe.to_session(resume.offset))
        audio = AudioInput(start, first_sample=restored.position)
        core = SessionCore(
            resume.session_id,
            stored.epoch,
            self._config(start),
            restored.options,
            audio.to_client,
            restored=restored,
            cursor=cursor,
        )
        core.fields |= stored.fields
        session = self._live(core, outbox, shard)
        offset = audio.to_client(restored.position)
        tokens = token, stored.fields.get("captions", "")
        outbox.put(_ready(resume.session_id, tokens, start, audio, offset=offset, cursor=cursor, resumed=True))
        session.do(core.come_back(restored, time.time()))
        session.hold()
        await shard.hub.add(session)
        # Once subscribed, whatever came between reading the session and now is replayed as well.
        session.do([Replay()])
        self._metrics.sessions_resumed.inc()
        return Opened(session, audio)

    def confirm_token(self, session: LiveSession) -> None:
        """The client has shown that it got its new token: the old one is of no use any more."""
        session.core.fields["token_before"] = ""
        session.do([Save({"token_before": ""})])

    def _live(self, core: SessionCore, outbox: Outbox, shard: Shard) -> LiveSession:
        return LiveSession(
            core,
            shard.store,
            self._metrics,
            outbox,
            deepest_queue=self._settings.max_queue_depth,
            tracing=self._tracing,
            on_end=shard.hub.remove,
        )

    def _config(self, start: Start, most_pending: int | None = None) -> SessionConfig:
        settings = self._settings
        silence = start.silence_threshold_seconds
        if silence is None:
            silence = settings.silence_threshold_seconds
        if not SHORTEST_SILENCE <= silence <= LONGEST_SILENCE:
            raise ProtocolError(
                "bad_message",
                f"silence_threshold_seconds is {silence}; say a number from {SHORTEST_SILENCE} to {LONGEST_SILENCE}",
            )
        for name, hint in (("prompt", start.prompt), ("hotwords", start.hotwords)):
            if len(hint) > LONGEST_HINT:
                raise ProtocolError("bad_message", f"{name} has {len(hint)} characters; say at most {LONGEST_HINT}")
        return SessionConfig(
            pre_speech=_samples(settings.pre_speech_buffer_seconds),
            silence=_samples(silence),
            candidate=_samples(min(settings.candidate_seconds, silence)),
            longest=_samples(settings.max_segment_seconds),
            min_speech=_samples(settings.min_speech_seconds),
            partial_every=_samples(settings.partial_interval_seconds),
            partials=start.partials,
            partial_seconds=PARTIAL_SECONDS,
            resubmit_seconds=settings.resubmit_seconds,
            max_pending=min(settings.max_pending_segments, most_pending or settings.max_pending_segments),
            deepest_queue=settings.max_queue_depth,
            ack_every=ACK_SAMPLES,
        )


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _check_cursor(cursor: str) -> None:
    if not _CURSOR.fullmatch(cursor) or max(entry_key(cursor)) >= 1 << 64:
        raise ProtocolError(
            "bad_message", f"cursor {cursor[:40]!r} is none; send the cursor of the last message, or 0-0"
        )


def _reached(cursor: str, stored: StoredSession) -> str:
    """The cursor, or the last result when it is behind that: a client must not lock itself out of what is to come."""
    last = stored.results[-1].id if stored.results else "0-0"
    return min(cursor, last, key=entry_key)


def _check_offset(offset: int) -> None:
    if not 0 <= offset <= FURTHEST_OFFSET:
        raise ProtocolError(
            "bad_message", f"offset is {offset}; say the number of the first frame that you still have, or 0"
        )


def _declaration(start: Start) -> dict[str, str]:
    """What must be known of the audio to go on elsewhere, as fields of the session's hash."""
    silence = start.silence_threshold_seconds
    return {
        "sample_rate": str(start.sample_rate),
        "channels": str(start.channels),
        "format": start.format,
        "partials": str(int(start.partials)),
        "silence": "" if silence is None else str(silence),
    }


def _declared(stored: StoredSession) -> Start:
    fields = stored.fields
    return Start(
        sample_rate=int(fields["sample_rate"]),
        channels=int(fields["channels"]),
        format=cast(SampleFormat, fields["format"]),
        partials=fields["partials"] == "1",
        silence_threshold_seconds=float(fields["silence"]) if fields.get("silence") else None,
    )


def _ready(
    client: str, tokens: tuple[str, str], start: Start, audio: AudioInput, *, offset: int, cursor: str, resumed: bool
) -> Ready:
    return Ready(
        session_id=client,
        token=tokens[0],
        offset=offset,
        resumed=resumed,
        sample_rate=audio.format.sample_rate,
        channels=audio.format.channels,
        format=start.format,
        cursor=cursor,
        captions_token=tokens[1],
    )
