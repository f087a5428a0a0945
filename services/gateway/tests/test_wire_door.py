"""Who is let in, over real sockets: keys, origins, places, and crowds that show no key."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from wire_raw import Raw, knock, knocking
from wire_world import GatewayProcess, Scribe, call, neighbour, working

from speechpipe_common.testing import eventually
from speechpipe_gateway.auth import new_key

pytestmark = pytest.mark.asyncio(loop_scope="module")

CROWD = 1_000
ADDRESSES = 100


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with its defaults."""
    with GatewayProcess(valkey, tmp_path_factory.mktemp("gateway")) as process:
        yield process


@pytest.fixture(scope="module")
def small(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with few places."""
    limits = {"MAX_SESSIONS": "3", "MAX_SESSIONS_PER_KEY": "2", "MAX_QUEUE_DEPTH": "2"}
    with GatewayProcess(valkey, tmp_path_factory.mktemp("small"), **limits) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles the jobs of ``gateway``."""
    async with working(gateway) as scribe:
        yield scribe


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """A few seconds of somebody speaking."""
    return clips[min(name for name in clips if name.startswith("en/"))]


def page(gateway: GatewayProcess) -> str:
    """The origin of a page that the gateway's own host serves."""
    return f"http://127.0.0.1:{gateway.port}"


def offered(key: str) -> str:
    """Subprotocols with which a page shows a key."""
    return "speechpipe.v1, speechpipe.key." + base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


async def test_a_program_with_a_bad_token_is_refused_before_the_upgrade(gateway: GatewayProcess) -> None:
    """401, with the code and what to do in the body."""
    async with knocking(gateway, "sp_wrong") as raw:
        assert raw.status == 401
        assert raw.body["code"] == "bad_token"
        assert "API key" in raw.body["message"]


async def test_a_page_with_a_bad_token_hears_why(gateway: GatewayProcess) -> None:
    """A page sees no status, so the same refusal comes as ``error`` and close 1008."""
    wrong = offered("sp_wrong")
    async with knocking(gateway, None, Origin=page(gateway), Sec_WebSocket_Protocol=wrong) as raw:
        assert raw.status == 101
        [error], code, _ = await raw.closed()
        assert (error["code"], error["close"], code) == ("bad_token", 1008, 1008)


async def test_a_page_may_offer_its_key_as_a_subprotocol(gateway: GatewayProcess) -> None:
    """The protocol is agreed on, the key is not echoed, and the session begins."""
    mine = offered(gateway.key)
    async with knocking(gateway, None, Origin=page(gateway), Sec_WebSocket_Protocol=mine) as raw:
        assert (raw.status, raw.headers["sec-websocket-protocol"]) == (101, "speechpipe.v1")


async def test_a_bad_token_in_the_first_message_closes(gateway: GatewayProcess) -> None:
    """``auth`` with a wrong key is an error and 1008; anything else before it as well."""
    async with call(gateway, None) as caller:
        await caller.say("auth", token="wrong")
        assert await caller.closed() == 1008
        assert caller.of("error")[0]["code"] == "bad_token"
    async with call(gateway, None) as caller:
        await caller.say("start")
        assert await caller.closed() == 1008
        assert caller.of("error")[0]["code"] == "not_authenticated"
    async with call(gateway, None) as caller:
        await caller.socket.send("x" * 5_000)
        assert await caller.closed() == 1008
        assert "4096" in caller.of("error")[0]["message"]


async def test_the_first_message_may_show_the_key(gateway: GatewayProcess) -> None:
    """``auth`` with the right key opens the door."""
    async with call(gateway, None) as caller:
        await caller.say("auth", token=gateway.key)
        assert (await caller.start())["resumed"] is False


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
async def test_a_page_from_elsewhere_is_refused(origin: str, gateway: GatewayProcess) -> None:
    """403, even with a right key."""
    async with knocking(gateway, Origin=origin) as raw:
        assert (raw.status, raw.body["code"]) == (403, "origin_denied")


async def test_the_key_file_may_change_while_the_gateway_runs(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A new key works, a removed one is refused, a spoilt file changes nothing, and open sessions go on."""
    second, line = new_key("second")
    original = gateway.keys_path.read_text()

    async def status(key: str) -> int:
        async with knocking(gateway, key) as raw:
            return raw.status

    async def becomes(key: str, wanted: int) -> bool:
        return await status(key) == wanted

    async def complains() -> bool:
        await status(second)
        return "API keys not reloaded" in gateway.log()

    async with neighbour(gateway, speech):
        assert await status(second) == 401
        gateway.keys_path.write_text(original + line + "\n")
        await eventually(lambda: becomes(second, 101), "the new key's entry")
        gateway.keys_path.write_text(line + "\n")
        await eventually(lambda: becomes(gateway.key, 401), "the old key's end")
        gateway.keys_path.write_text("nonsense\n")
        await eventually(complains, "the complaint about the spoilt file")
        assert await status(second) == 101
        gateway.keys_path.write_text(original)
        await eventually(lambda: becomes(gateway.key, 101), "the old key's return")


async def test_a_full_gateway_says_so(small: GatewayProcess) -> None:
    """Places of a key and of the instance: 503 with Retry-After for programs, error and 1013 for pages."""
    other, line = new_key("other")
    small.keys_path.write_text(small.keys_path.read_text() + line + "\n")
    async with call(small) as first, call(small) as second:
        await first.start()
        await second.start()
        async with knocking(small) as raw:
            assert (raw.status, raw.body["code"], raw.headers["retry-after"]) == (503, "key_full", "5")
            assert "2 sessions" in raw.body["message"]
        async with knocking(small, Origin=page(small)) as raw:
            [error], code, _ = await raw.closed()
            assert (error["code"], error["close"], code) == ("key_full", 1013, 1013)

        async def third() -> Raw | None:
            raw = await knock(small, other)
            if raw.status == 101:
                return raw
            raw.abort()
            return None

        held = await eventually(third, "the third place")
        assert held is not None
        async with knocking(small, other) as raw:
            assert (raw.status, raw.body["code"]) == (503, "full")
        async with knocking(small, "sp_wrong") as raw:
            assert raw.status == 401  # a wrong key learns nothing about the load
        async with call(small, None) as late:
            await late.say("auth", token=other)
            assert await late.closed() == 1013
            assert late.of("error")[0]["code"] == "full"
        held.abort()

    async def free() -> bool:
        async with knocking(small) as raw:
            return raw.status == 101

    await eventually(free, "a free place once the sessions have ended")


async def test_places_are_not_given_twice_to_a_crowd_that_comes_at_once(small: GatewayProcess) -> None:
    """Twenty handshakes at the same moment: as many get in as there are places."""
    await eventually(lambda: small.metric("clients_connected") == 0, "an empty gateway")
    raws = await asyncio.gather(*(knock(small, small.key) for _ in range(20)))
    assert sorted(raw.status for raw in raws) == [101, 101, *[503] * 18]
    for raw in raws:
        raw.abort()


async def test_a_full_queue_refuses_the_new_and_sheds_partials(
    small: GatewayProcess, speech: NDArray[np.int16]
) -> None:
    """With MAX_QUEUE_DEPTH jobs waiting: new sessions get 503, partials are shed, finals still go, resumes come in."""
    await eventually(lambda: small.metric("clients_connected") == 0, "an empty gateway")
    async with call(small) as caller:
        ready = await caller.start()
        for _ in range(4):
            await caller.send_audio(speech)
            await caller.say("flush")
        await caller.say("set_langs", source_language="nobody")  # its answer comes after all of that was taken
        await caller.hears("error")
        await eventually(lambda: msgspec.json.decode(small.get("/health")[1])["queue_depth"] >= 2, "a full queue")
        async with knocking(small) as raw:
            assert (raw.status, raw.body["code"], raw.headers["retry-after"]) == (503, "overloaded", "30")
            assert "2 is the limit" in raw.body["message"]
        await caller.send_audio(speech)
        shed = 'speechpipe_jobs_published_total{kind="partial",status="shed"}'
        await eventually(lambda: shed in small.get("/metrics")[1], "a partial that is shed")
        caller.vanish()
        await caller.closed()
    async with call(small, query="?resume=1") as again:
        await again.say("resume", session_id=ready["session_id"], token=ready["token"])
        offset = (await again.hears("ready"))["offset"]
        async with working(small):
            await again.send_audio(np.tile(speech, 5)[offset:])
            await again.say("stop")
            assert await again.closed() == 1000
    assert len({m["segment_id"] for m in again.of("final")}) >= 5


async def test_a_thousand_sockets_without_a_key_stay_outside(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """From 100 addresses: 256 may wait for 5 s and are closed with 1008, the rest get 503; those with a key get in."""
    before = gateway.rss
    async with neighbour(gateway, speech):
        knocks = (knock(gateway, None, local=f"127.0.1.{1 + number % ADDRESSES}") for number in range(CROWD))
        found = await asyncio.gather(*knocks, return_exceptions=True)
        # On a slow machine the request of some is not read within the 5 s that it has: they are cut off.
        raws = [raw for raw in found if not isinstance(raw, asyncio.IncompleteReadError | ConnectionError)]
        assert all(isinstance(raw, Raw) for raw in raws), raws
        inside = [raw for raw in raws if raw.status == 101]
        outside = [raw for raw in raws if raw.status != 101]
        assert 256 <= len(inside) <= 512  # on a slow machine the first are closed before the last come
        assert {(raw.status, raw.body["code"], raw.headers["retry-after"]) for raw in outside} == {
            (503, "too_many_unauthenticated", "5")
        }
        async with call(gateway) as caller:
            await caller.start()
        answers = await asyncio.gather(*(raw.closed() for raw in inside))
        assert {(messages[0]["code"], code) for messages, code, _ in answers} == {("auth_timeout", 1008)}
        for raw in raws:
            raw.abort()
    await eventually(lambda: gateway.sockets == 0, "the end of the crowd's sockets")
    assert gateway.rss - before < 50e6


async def test_one_address_cannot_take_all_waiting_places(gateway: GatewayProcess) -> None:
    """The seventeenth socket of an address is refused while another address still gets in."""
    raws = [await knock(gateway, None, local="127.0.2.1") for _ in range(17)]
    assert [raw.status for raw in raws] == [101] * 16 + [503]
    async with knocking(gateway, None, local="127.0.2.2") as raw:
        assert raw.status == 101
    for raw in raws:
        raw.abort()
