"""The session against a scripted gateway on a real socket."""

import asyncio
import http

import pytest
from peer import DEADLINE, Caller, final, gateway, partial, translated

from speechpipe_client import (
    AuthenticationError,
    Final,
    FinalCaption,
    GatewayFull,
    GatewayUnreachable,
    IdleTimeout,
    Limits,
    Opened,
    Partial,
    ProtocolError,
    Ready,
    Session,
    SessionEnded,
    SessionOptions,
    SpeechpipeError,
    TakenOver,
    Translation,
    connect,
)
from speechpipe_client.inbox import Event
from speechpipe_common import wire
from speechpipe_common.testing import eventually

PCM = bytes(range(256)) * 100
"""12,800 frames with a pattern, so that a wrong offset shows."""


async def collect(session: Session) -> list[Event]:
    """All events up to the end of the session."""
    async with asyncio.timeout(DEADLINE):
        return [event async for event in session]


async def converse(url: str, limits: Limits | None = None) -> list[Event]:
    """Send some audio and read until the session is over."""
    async with connect(url, limits=limits) as session:
        await session.send(PCM)
        return await collect(session)


async def test_sends_languages_start_audio_stop_and_yields_typed_events():
    """A whole session: what was asked for reaches the gateway in order, and its answers come out typed."""

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(len(PCM))
        await caller.say(partial("0", "hel", 1), final("0", "hello", "5-0"))
        await caller.finish()

    async with gateway(script) as peer:
        options = SessionOptions(source="en", targets=("es",))
        async with connect(peer.url, options, api_key="secret") as session:
            await session.send(PCM)
            await session.stop()
            events = await collect(session)
    assert [type(event) for event in events] == [Opened, Partial, Final]
    assert peer.headers == ["Bearer secret"]
    assert peer.callers[0].messages == [
        wire.SetLangs(source_language="en", target_languages=("es",)),
        wire.Start(),
        wire.Stop(),
    ]
    assert peer.callers[0].audio == PCM


@pytest.mark.parametrize("code", [None, 1001, 1011, 1012, 1013])
async def test_resumes_from_the_offset_with_token_and_cursor(code: int | None):
    """After a lost connection the session says what it holds, and sends exactly the audio from ``ready.offset`` on."""

    async def first(caller: Caller) -> None:
        await caller.welcome("t1")
        await caller.hear_audio(len(PCM))
        await caller.say(wire.AudioAck(offset=1000, cursor="1-0"), final("0", "one", "2-0"))
        if code is None:
            caller.vanish()
        else:
            await caller.socket.close(code)

    async def second(caller: Caller) -> None:
        await caller.welcome("t2", offset=3000)
        await caller.hear_audio(len(PCM) - 6000)
        await caller.say(final("16000", "two", "3-0"))
        await caller.finish()

    async with gateway(first, second) as peer, connect(peer.url) as session:
        await session.send(PCM)
        await session.stop()
        events = await collect(session)
        assert session.acknowledged == 1000
    assert [event.text for event in events if isinstance(event, FinalCaption)] == ["one", "two"]
    assert peer.callers[1].messages[0] == wire.Resume(session_id="s", token="t1", cursor="2-0", offset=1000)
    assert ["resume=1" in caller.socket.request.path for caller in peer.callers] == [False, True]
    assert bytes(peer.callers[1].audio) == PCM[6000:]


async def test_shows_what_the_function_answers_at_each_connection():
    """A credential that expires is a function, asked again when a lost session is resumed."""

    async def first(caller: Caller) -> None:
        await caller.welcome("t1")
        caller.vanish()

    async def second(caller: Caller) -> None:
        await caller.welcome("t2")
        await caller.finish()

    tokens = iter(["early", "late"])
    async with gateway(first, second) as peer, connect(peer.url, api_key=lambda: next(tokens)) as session:
        await session.stop()
        await collect(session)
    assert peer.headers == ["Bearer early", "Bearer late"]


async def test_uses_the_newest_token_and_sends_stop_again():
    """Each resume uses the token of the last ``ready``, and a ``stop`` whose end was not seen is said again."""

    async def lose(token: str, caller: Caller) -> None:
        await caller.welcome(token)
        await caller.hear(wire.Stop)
        caller.vanish()

    async def last(caller: Caller) -> None:
        await caller.welcome("t3")
        await caller.finish()

    async with (
        gateway(lambda caller: lose("t1", caller), lambda caller: lose("t2", caller), last) as peer,
        connect(peer.url) as session,
    ):
        await session.send(PCM)
        await session.stop()
        await collect(session)
    assert [caller.messages[0].token for caller in peer.callers[1:]] == ["t1", "t2"]
    assert [bytes(caller.audio) for caller in peer.callers] == [PCM] * 3


async def test_goes_to_the_next_gateway_of_the_list():
    """A session whose gateway goes away is resumed on the other address that was given."""

    async def leave(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(len(PCM))
        await caller.socket.close(1012)

    async def take_over(caller: Caller) -> None:
        await caller.welcome("t2")
        await caller.finish()

    async with gateway(leave) as old, gateway(take_over) as new, connect([old.url, new.url]) as session:
        await session.send(PCM)
        await session.stop()
        await collect(session)
    assert isinstance(new.callers[0].messages[0], wire.Resume)
    assert new.callers[0].audio == PCM


async def test_replayed_finals_and_late_partials_are_dropped():
    """A final is seen once per segment, kind and language, and no partial of either kind follows a final."""

    async def first(caller: Caller) -> None:
        await caller.welcome()
        await caller.say(final("0", "one", "1-0"), translated("0", "uno", is_final=True, cursor="2-0"))
        caller.vanish()

    async def second(caller: Caller) -> None:
        await caller.welcome()
        await caller.say(
            final("0", "one", "1-0"),
            partial("0", "on", 12),
            translated("0", "u", is_final=False, rev=12),
            translated("0", "uno", is_final=True, cursor="2-0"),
            final("9", "two", "3-0"),
        )
        await caller.finish()

    async with gateway(first, second) as peer, connect(peer.url) as session:
        await session.stop()
        events = await collect(session)
    assert [event.text for event in events if isinstance(event, Final | Partial | Translation)] == ["one", "uno", "two"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1008, AuthenticationError),
        (1009, ProtocolError),
        (4400, ProtocolError),
        (4408, IdleTimeout),
        (4409, TakenOver),
    ],
)
async def test_a_final_close_raises_its_own_error_with_the_gateways_words(code: int, error: type[SpeechpipeError]):
    """Closes that no retry can mend raise a typed error that quotes the gateway, and nobody connects again."""

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(len(PCM))
        await caller.say(wire.Error(code="because", message="the reason", close=code))
        await caller.socket.close(code)

    async with gateway(script) as peer:
        with pytest.raises(error, match=f"the reason .because, close {code}"):
            await converse(peer.url)
        assert len(peer.callers) == 1


async def test_an_error_nobody_looked_at_is_raised_on_leaving():
    """A caller who only sends still learns that the session was refused."""

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.socket.close(4400, "nonsense")

    async def only_send(url: str) -> None:
        async with connect(url) as session:
            async with asyncio.timeout(DEADLINE):
                await session._link.wait_until(lambda: False)
            assert session._link.over

    async with gateway(script) as peer:
        with pytest.raises(ProtocolError, match="nonsense"):
            await only_send(peer.url)


async def test_nobody_there_fails_at_once_and_names_every_reason():
    """When no address answers the first connection, entering fails instead of waiting out its patience."""
    async with gateway() as peer:
        dead = peer.url
    with pytest.raises(GatewayUnreachable, match=dead):
        async with asyncio.timeout(DEADLINE), connect([dead, dead]):
            pass


async def test_a_full_gateway_is_tried_again_after_what_it_asks_for():
    """HTTP 503 with Retry-After before the session exists is waited out."""

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.finish()

    busy = (http.HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "0"})
    async with gateway(script, refusals=[busy, busy]) as peer, connect(peer.url) as session:
        await session.stop()
        await collect(session)
    assert len(peer.callers) == 1


async def test_a_refused_key_and_a_wrong_path_have_their_own_errors():
    """HTTP 401 is an authentication error; 404 says that this is no gateway."""
    async with gateway(refusals=[(http.HTTPStatus.UNAUTHORIZED, {}), (http.HTTPStatus.NOT_FOUND, {})]) as peer:
        with pytest.raises(AuthenticationError, match="SPEECHPIPE_API_KEY"):
            async with connect(peer.url):
                pass
        with pytest.raises(ProtocolError, match="/ws"):
            async with connect(peer.url):
                pass


async def test_gives_up_when_patience_runs_out():
    """A gateway that never comes back ends the session with an error instead of trying for ever."""

    async def leave(caller: Caller) -> None:
        await caller.welcome()
        await caller.socket.close(1012, "restarting")

    full = (http.HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})
    async with gateway(leave, refusals=[full]) as peer:
        with pytest.raises(GatewayFull, match="503"):
            await converse(peer.url, Limits(patience_seconds=0.5))
    async with gateway(leave) as peer:
        with pytest.raises(GatewayUnreachable):
            await converse(peer.url, Limits(patience_seconds=0.0))


async def test_a_gateway_that_freezes_is_left_for_the_next():
    """A peer that stops answering pings (a stopped process) is given up and the session resumed elsewhere."""

    async def freeze(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(len(PCM))
        caller.socket.transport.pause_reading()
        await caller.socket.wait_closed()

    async def take_over(caller: Caller) -> None:
        await caller.welcome("t2")
        await caller.finish()

    limits = Limits(ping_seconds=0.2)
    async with gateway(freeze) as old, gateway(take_over) as new:
        async with connect([old.url, new.url], limits=limits) as session:
            await session.send(PCM)
            await session.stop()
            await collect(session)
        assert new.callers[0].audio == PCM
        old.callers[0].vanish()


async def test_send_waits_for_the_acknowledgement_when_too_much_is_kept():
    """Audio kept for a resume is bounded: ``send`` goes on only after ``audio_ack``."""
    release = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(len(PCM))
        await release.wait()
        await caller.say(wire.AudioAck(offset=len(PCM) // 2, cursor="1-0"))
        await caller.finish()

    limits = Limits(retained_seconds=0.5)
    async with gateway(script) as peer, connect(peer.url, limits=limits) as session:
        sending = asyncio.create_task(session.send(PCM))
        async with asyncio.timeout(DEADLINE):
            while not (peer.callers and len(peer.callers[0].audio) == len(PCM)):
                await asyncio.wait([sending], timeout=0.01)
        assert not sending.done()
        release.set()
        await sending
        await session.stop()
        await collect(session)


async def test_flush_keeps_its_place_and_is_said_again_after_a_resume():
    """A flush arrives after exactly the audio before it, on the second connection too."""
    places: list[int] = []

    async def listen(caller: Caller) -> None:
        await caller.hear(wire.Flush)
        places.append(len(caller.audio))

    async def first(caller: Caller) -> None:
        await caller.welcome()
        await listen(caller)
        caller.vanish()

    async def second(caller: Caller) -> None:
        await caller.welcome("t2", offset=100)
        await listen(caller)
        await caller.finish()

    async with gateway(first, second) as peer, connect(peer.url) as session:
        await session.send(PCM[:1000])
        await session.flush()
        await session.send(PCM[1000:])
        await session.stop()
        await collect(session)
    assert places == [1000, 800]
    assert bytes(peer.callers[1].audio) == PCM[200:]


async def test_a_session_that_forgets_us_is_an_error_not_a_new_session():
    """An answer to ``resume`` that opens another session is refused: its segment ids would collide with ours."""

    async def first(caller: Caller) -> None:
        await caller.welcome()
        caller.vanish()

    async def second(caller: Caller) -> None:
        await caller.hear(wire.Resume)
        await caller.say(
            wire.Ready(
                session_id="other",
                token="x",
                offset=0,
                resumed=False,
                sample_rate=16_000,
                channels=1,
                format="s16",
                cursor="0-0",
            )
        )
        await caller.socket.wait_closed()

    async with gateway(first, second) as peer:
        with pytest.raises(ProtocolError, match="another session"):
            await converse(peer.url)


async def test_misuse_is_refused():
    """Half a frame, audio after stop, and a session that was never opened are errors of their own."""

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.finish()

    async with gateway(script) as peer, connect(peer.url) as session:
        with pytest.raises(ProtocolError, match="3 bytes"):
            await session.send(b"abc")
        await session.stop()
        with pytest.raises(SessionEnded):
            await session.send(b"ab")
        await collect(session)
    with pytest.raises(SessionEnded, match="not open"):
        await connect("ws://127.0.0.1:1/ws").send(b"ab")


async def test_what_cannot_wait_is_queued_and_a_broken_connection_comes_back():
    """``send_nowait`` takes audio however much is unsent; after ``break_connection`` all of it is sent again, and the
    traffic of both connections is counted.
    """

    async def take(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(len(PCM))
        await caller.socket.wait_closed()

    async def again(caller: Caller) -> None:
        await caller.welcome("t2")
        await caller.finish()

    async with gateway(take, again) as peer:
        async with connect(peer.url, limits=Limits(unsent_seconds=0.0)) as session:
            session.send_nowait(PCM[:6400])
            session.send_nowait(PCM[6400:])
            await eventually(lambda: session.traffic.sent >= len(PCM), "all audio is sent", DEADLINE)
            session.break_connection()
            await session.stop()
            events = await collect(session)
            assert session.traffic.sent >= 2 * len(PCM)
            assert session.traffic.received > 0
        assert [event.resumed for event in events if isinstance(event, Ready)] == [False, True]
        assert peer.callers[1].audio == PCM
        with pytest.raises(SessionEnded, match="takes no audio"):
            session.send_nowait(PCM)


async def test_a_session_that_was_never_open_may_be_given_up_sooner():
    """With ``opening_seconds`` a full gateway is left at once, while an open session keeps its patience."""
    full = (http.HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "1"})
    async with gateway(refusals=[full]) as peer:
        with pytest.raises(GatewayFull):
            async with asyncio.timeout(DEADLINE), connect(peer.url, limits=Limits(opening_seconds=0.5)):
                pass

    async def leave(caller: Caller) -> None:
        await caller.welcome()
        await caller.socket.close(1012, "restarting")

    async def take_over(caller: Caller) -> None:
        await caller.welcome("t2")
        await caller.finish()

    async with gateway(leave, take_over) as peer:
        async with connect(peer.url, limits=Limits(opening_seconds=0.0)) as session:
            await session.send(PCM)
            await session.stop()
            await collect(session)
        assert len(peer.callers) == 2
