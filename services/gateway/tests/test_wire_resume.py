"""Coming back over real sockets: whose token opens what, and what stays shut."""

from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from wire_world import Caller, GatewayProcess, Scribe, call, neighbour, working

from speechpipe_common.testing import eventually
from speechpipe_gateway.auth import new_key

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that two keys open."""
    with GatewayProcess(valkey, tmp_path_factory.mktemp("gateway")) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles jobs."""
    async with working(gateway) as scribe:
        yield scribe


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """A few seconds of somebody speaking."""
    return clips[min(name for name in clips if name.startswith("en/"))]


async def denied(caller: Caller, session: str, token: str) -> None:
    """This token does not open that session."""
    await caller.say("resume", session_id=session, token=token)
    assert await caller.closed() == 1008
    [error] = caller.of("error")
    assert (error["code"], error["close"]) == ("resume_denied", 1008)
    assert "new session" in error["message"]


async def test_a_token_opens_only_its_own_session(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """The token of one client does not open the session of another, who goes on talking."""
    async with neighbour(gateway, speech) as victim, call(gateway) as other:
        mine = await other.start()
        theirs = victim.of("ready")[0]
        async with call(gateway) as thief:
            await denied(thief, theirs["session_id"], mine["token"])
        async with call(gateway) as guesser:
            await denied(guesser, theirs["session_id"], "")


async def test_a_stolen_token_needs_its_key_too(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A session and its right token, shown with another API key, are refused, and the owner goes on."""
    key, line = new_key("thief")
    gateway.keys_path.write_text(gateway.keys_path.read_text() + line + "\n")
    async with neighbour(gateway, speech) as victim:
        ready = victim.of("ready")[0]

        async def known() -> bool:
            try:
                async with call(gateway, key):
                    return True
            except Exception:  # noqa: BLE001 - whatever the handshake failed with, the key is not known yet
                return False

        await eventually(known, "the second key")
        async with call(gateway, key) as thief:
            await denied(thief, ready["session_id"], ready["token"])


async def test_an_old_token_is_worth_nothing(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A resume rotates the token; once the client has used its connection, the token before is refused."""
    async with call(gateway) as caller:
        first = await caller.start()
        caller.vanish()
    async with call(gateway) as again:
        await again.say("resume", session_id=first["session_id"], token=first["token"])
        second = await again.hears("ready")
        assert second["token"] != first["token"]
        assert second["resumed"] is True
        await again.send_audio(speech)
        await again.hears("speech_started")
        # The new token is confirmed in Redis before the first job that follows it.
        await eventually(lambda: bool(scribe.of(first["session_id"])), "a job of the resumed session")
        async with call(gateway) as late:
            await denied(late, first["session_id"], first["token"])
        await again.say("stop")
        assert await again.closed() == 1000
        assert again.of("final")


async def test_the_older_connection_is_told_that_the_session_went_on(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A resume while the first connection is still open closes that one with 4409; the session gets its finals once."""
    async with call(gateway) as first:
        ready = await first.start()
        await first.send_audio(speech)
        await first.hears("speech_started")
        async with call(gateway) as second:
            await second.say("resume", session_id=ready["session_id"], token=ready["token"])
            offset = (await second.hears("ready"))["offset"]
            assert await first.closed() == 4409
            assert first.of("error")[-1]["code"] == "taken_over"
            await second.send_audio(speech[offset:])
            await second.say("stop")
            assert await second.closed() == 1000
            finals = [m["segment_id"] for m in second.of("final")]
            assert finals
            assert len(finals) == len(set(finals))


async def test_a_cursor_from_the_future_does_not_lock_its_client_out(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A cursor behind every result replays nothing, and what is said from then on still gets its final."""
    async with call(gateway) as caller:
        ready = await caller.start()
        await caller.send_audio(speech)
        await caller.say("flush")
        before = await caller.hears("final")
        caller.vanish()
    async with call(gateway) as again:
        cursor = "18446744073709551615-18446744073709551615"
        await again.say("resume", session_id=ready["session_id"], token=ready["token"], cursor=cursor)
        await again.hears("ready")
        await again.send_audio(np.concatenate([speech, speech]))
        await again.say("stop")
        assert await again.closed() == 1000
        assert [m for m in again.of("final") if m["segment_id"] != before["segment_id"]]
        assert [m for m in again.of("final") if m["segment_id"] == before["segment_id"]] == []
