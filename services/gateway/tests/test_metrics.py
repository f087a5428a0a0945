"""What the gateway's metrics say of the waiting of people, and that they are there before anything happens."""

import pytest
from prometheus_client import CollectorRegistry
from session_world import CONFIG, QUIET, SPEECH, World, transcript

from speechpipe_common.messages import Translated
from speechpipe_common.wire import FinalCaption, Realtime, ServerMessage, SpeechStarted, Translation
from speechpipe_gateway.metrics import REFUSED, GatewayMetrics
from speechpipe_gateway.session import Options, Send

CHUNK_SECONDS = 0.032


def waits(world: World, kind: type[ServerMessage]) -> list[float | None]:
    """How long the client has waited for each message of a kind."""
    return [effect.waited for effect in world.of(Send) if isinstance(effect, Send) and isinstance(effect.message, kind)]


def test_a_final_and_its_translation_are_waited_for_since_the_last_speech() -> None:
    """The wait counts from the last voiced chunk, so the silence threshold is in it; a second delivery counts none."""
    world = World.new(options=Options(source="en", targets=("es",)))
    world.hear(SPEECH, 1.0)
    spoke_at = world.now
    world.hear(QUIET, 1.0)
    [candidate] = world.jobs("candidate")
    world.now += 0.5
    world.deliver(transcript(candidate, kind="final"), jobs={"es": "5-0"})
    assert waits(world, FinalCaption) == [pytest.approx(world.now - spoke_at)]
    world.now += 0.25
    spanish = Translated(
        segment=candidate.segment, rev=1, final=True, text="hola", source="en", language="es", processing_time=0.1
    )
    world.deliver(spanish, entry="6-0")
    assert waits(world, Translation) == [pytest.approx(world.now - spoke_at)]


def test_only_the_first_caption_of_a_turn_is_waited_for_since_its_first_speech() -> None:
    """The partials behind it answer to speech that still goes on, so they have no wait; nor has what is no caption."""
    world = World.new()
    world.hear(QUIET, 1.0)
    began_at = world.now
    world.hear(SPEECH, 1.5)
    world.deliver(transcript(world.jobs("partial")[0], "hello"))
    world.hear(SPEECH, 1.5)
    world.deliver(transcript(world.jobs("partial")[1], "hello there"))
    first, second = waits(world, Realtime)
    assert first == pytest.approx(1.5, abs=2 * CHUNK_SECONDS)
    assert second is None
    assert waits(world, SpeechStarted) == [None]
    assert world.now - began_at == pytest.approx(3.0, abs=2 * CHUNK_SECONDS)


def test_what_is_overdue_goes_out_marked() -> None:
    """The same final submitted once more says so, so that resubmissions can be counted."""
    world = World.new()
    world.hear(SPEECH, 1.0)
    world.take(world.core.flush(world.now))
    world.now += CONFIG.resubmit_seconds + 1
    world.take(world.core.tick(world.now, listening=True))
    submissions = [effect.again for effect in world.effects if getattr(effect, "job", None) in world.jobs("final")]
    assert submissions == [False, True]


def test_counters_are_there_before_anything_happens() -> None:
    """Each known label value is shown at 0: an increase from nothing is none for Prometheus."""
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    for reason in REFUSED:
        assert registry.get_sample_value("speechpipe_sessions_refused_total", {"reason": reason}) == 0
    for kind in ("partial", "final", "translation_partial", "translation"):
        assert registry.get_sample_value("speechpipe_captions_sent_total", {"kind": kind}) == 0
    metrics.captions.sent(SpeechStarted(segment_id="0", offset=0), None)
    assert registry.get_sample_value("speechpipe_captions_sent_total", {"kind": "final"}) == 0
    caption = FinalCaption(
        segment_id="0",
        rev=1,
        text="x",
        language="en",
        start=0,
        end=1,
        words=(),
        processing_time=0,
        cursor="0-0",
        continues=False,
    )
    metrics.captions.sent(caption, None)
    metrics.captions.sent(caption, 0.9)
    assert registry.get_sample_value("speechpipe_captions_sent_total", {"kind": "final"}) == 2
    assert registry.get_sample_value("speechpipe_final_latency_seconds_count") == 1
