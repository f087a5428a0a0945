"""A connection's audio on its way into its session: decoded, voted on, handed over."""

from typing import Final

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_gateway.live.factory import Opened
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session import Save, Vote
from speechpipe_gateway.vad import ChunkVote, VadBatcher, VadRule, VadState

SOFT_SHARE: Final = 2 / 3
"""Below this share of Silero's holding probability nothing is a word."""


class Hearing:
    """The detectors' state of one connection.

    Args:
        vad: shared by all connections.
        rule: when the detectors agree.
        webrtc_aggressiveness: ``WEBRTC_SENSITIVITY``.
        metrics: counters.
    """

    def __init__(self, vad: VadBatcher, rule: VadRule, webrtc_aggressiveness: int, metrics: GatewayMetrics) -> None:
        self._vad = vad
        self._rule = rule
        self._metrics = metrics
        self._state = VadState(webrtc_aggressiveness)
        self._declared = False

    async def feed(self, opened: Opened, frame: bytes) -> None:
        """A binary frame of the session's audio.

        Raises:
            MediaError: the frame is no such audio.
            VadError: the detectors failed; the connection is of no more use.
        """
        samples = opened.audio.feed(frame)
        self._metrics.audio_chunks_processed.inc()
        self._metrics.audio_seconds.inc(len(samples) / SAMPLE_RATE)
        if len(samples) and not self._declared:
            self._declared = True
            self._declare(opened)
        votes = await self._vad.analyse(self._state, samples)
        opened.session.audio(samples, [self._judge(vote) for vote in votes])

    def finish(self, opened: Opened) -> None:
        """The last samples, which were still inside the resampler."""
        opened.session.audio(opened.audio.finish(), [])

    def _declare(self, opened: Opened) -> None:
        """A WAV header or a legacy frame may have said rate and channels: whoever takes over must know."""
        audio, session = opened.audio, opened.session
        declared = {"sample_rate": str(audio.format.sample_rate), "channels": str(audio.format.channels)}
        if any(session.core.fields.get(name) != value for name, value in declared.items()):
            session.core.fields |= declared
            session.do([Save(declared)])

    def _judge(self, vote: ChunkVote) -> Vote:
        sustain = self._rule.agree(vote, active=True)
        soft = sustain or vote.silero > self._rule.hold * SOFT_SHARE
        return Vote(onset=self._rule.agree(vote, active=False), sustain=sustain, soft=soft)
