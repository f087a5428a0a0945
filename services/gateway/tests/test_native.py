"""The order of messages on one connection."""

import pytest

from speechpipe_common.wire import Auth, Flush, Keepalive, Resume, SetLangs, Start, Stop
from speechpipe_gateway.dialect import Audio, ProtocolError, Request
from speechpipe_gateway.native import NativeProtocol

START, STOP, FLUSH = '{"type":"start"}', '{"type":"stop"}', '{"type":"flush"}'
LEGACY = b"\x02\0\0\0{}" + bytes(4)


def said(protocol: NativeProtocol, *frames: str | bytes) -> list[Request]:
    """Requests of these frames."""
    return [
        request
        for frame in frames
        for request in (protocol.text(frame) if isinstance(frame, str) else protocol.binary(frame))
    ]


def refusal(*frames: str | bytes, authenticated: bool = True) -> ProtocolError:
    """The refusal that the last frame gets."""
    protocol = NativeProtocol(authenticated=authenticated)
    said(protocol, *frames[:-1])
    with pytest.raises(ProtocolError) as caught:
        said(protocol, frames[-1])
    return caught.value


def test_a_whole_session() -> None:
    """Everything in its order is passed on as it was said."""
    protocol = NativeProtocol(authenticated=True)
    frames = ('{"type":"set_langs","target_language":"es"}', START, b"ab", FLUSH, '{"type":"keepalive"}', b"cd", STOP)
    assert said(protocol, *frames) == [
        SetLangs(target_language="es"),
        Start(),
        Audio(b"ab"),
        Flush(),
        Keepalive(),
        Audio(b"cd"),
        Stop(),
    ]


def test_auth_comes_first_and_once() -> None:
    """Before it only ``auth`` is heard; a client that is known already may say it to no effect."""
    protocol = NativeProtocol(authenticated=False)
    assert said(protocol, '{"type":"auth","token":"t"}') == [Auth(token="t")]
    before = protocol.authenticated
    protocol.let_in()
    assert (before, protocol.authenticated) == (False, True)
    assert said(protocol, '{"type":"auth","token":"t"}', START) == [Start()]


@pytest.mark.parametrize("frame", [START, STOP, b"ab", LEGACY, '{"type":"keepalive"}'])
def test_strangers_are_not_heard(frame: str | bytes) -> None:
    """Anything before ``auth`` is refused with 1008."""
    error = refusal(frame, authenticated=False)
    assert (error.code, error.close) == ("not_authenticated", 1008)


@pytest.mark.parametrize("second", [START, '{"type":"resume","session_id":"s","token":"t"}'])
@pytest.mark.parametrize("first", [START, '{"type":"resume","session_id":"s","token":"t"}', LEGACY])
def test_a_connection_has_one_session(first: str | bytes, second: str) -> None:
    """Start, resume and a legacy frame each begin it, and nothing begins another."""
    assert refusal(first, second).code == "already_started"


def test_resume_lets_audio_in() -> None:
    """A resumed session takes audio at once."""
    protocol = NativeProtocol(authenticated=True)
    resume = '{"type":"resume","session_id":"s","token":"t","cursor":"5-0","offset":7}'
    assert said(protocol, resume, b"ab") == [
        Resume(session_id="s", token="t", cursor="5-0", offset=7),
        Audio(b"ab"),
    ]


def test_a_legacy_frame_is_start_and_audio() -> None:
    """It declares itself, at the gateway's rate unless its metadata says else."""
    protocol = NativeProtocol(authenticated=True, sample_rate=24_000)
    assert said(protocol, LEGACY, LEGACY) == [
        Start(format="legacy", sample_rate=24_000),
        Audio(LEGACY),
        Audio(LEGACY),
    ]


def test_the_gateways_rate_is_taken_where_none_is_said() -> None:
    """``start`` without a rate means SAMPLE_RATE; one that is said is kept."""
    assert said(NativeProtocol(authenticated=True, sample_rate=8_000), START) == [Start(sample_rate=8_000)]
    protocol = NativeProtocol(authenticated=True, sample_rate=8_000)
    assert said(protocol, '{"type":"start","sample_rate":44100}') == [Start(sample_rate=44_100)]


def test_after_stop_there_is_no_audio() -> None:
    """Audio is refused; stop, flush, keepalive and languages may still be said."""
    protocol = NativeProtocol(authenticated=True)
    said(protocol, START, STOP, STOP, FLUSH, '{"type":"keepalive"}', '{"type":"set_langs"}')
    with pytest.raises(ProtocolError, match="after stop"):
        protocol.binary(b"ab")


@pytest.mark.parametrize(
    "frame", ["\ud800", "[" * 100_000, "1e999", '{"type":"start","sample_rate":1e999}', '"\\ud800"']
)
def test_json_that_breaks_parsers_is_refused(frame: str) -> None:
    """Lone surrogates, endless nesting and numbers without end are bad messages, not faults."""
    assert refusal(frame).code in ("not_json", "bad_message")
