"""What happens below the messages: broken frames, silence before the handshake, floods, clients that do not read."""

import asyncio
import signal
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from websockets.frames import Frame, Opcode
from wire_raw import Raw, knocking
from wire_world import GatewayProcess, PeakMemory, Scribe, call, neighbour, working

from speechpipe_common.testing import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

HURRIED = """
import speechpipe_gateway.app.sending as sending
import speechpipe_gateway.app.sockets as sockets
sending.SEND_SECONDS = 2.0
sockets.FAREWELL_SECONDS = 1.0
from speechpipe_gateway.__main__ import main
main()
"""
"""A gateway that waits 2 s, not 30, for a client that takes nothing, and then 1 s, not 10, for its farewell."""


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that is quick to lose patience."""
    options = {"MAX_MESSAGES_PER_SECOND": "100000", "AUTH_TIMEOUT_SECONDS": "2"}
    folder = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(valkey, folder, ("-c", HURRIED), **options) as process:
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


async def test_a_compressed_frame_is_refused(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """RSV1 without a negotiated extension is a protocol error: 1002, and the neighbour hears nothing of it."""
    async with neighbour(gateway, speech), knocking(gateway) as raw:
        await raw.send(Opcode.TEXT, b"compressed", rsv1=True)
        _, code, reason = await raw.closed()
        assert code == 1002
        assert "reserved bits" in reason


async def test_compression_is_not_agreed_to(gateway: GatewayProcess) -> None:
    """A client that offers permessage-deflate is let in without it."""
    async with knocking(gateway, Sec_WebSocket_Extensions="permessage-deflate") as raw:
        assert raw.status == 101
        assert "sec-websocket-extensions" not in raw.headers


async def test_an_oversize_message_is_refused(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A byte over MAX_MESSAGE_BYTES closes with 1009 and says the limit; so do many small fragments."""
    async with neighbour(gateway, speech):
        async with call(gateway) as caller:
            await caller.start()
            await caller.socket.send(bytes(262_144 + 1))
            assert await caller.closed() == 1009
            assert "262144" in caller.close_reason
        async with knocking(gateway) as raw:
            await raw.send(Opcode.TEXT, b'{"type":"start"}')
            await raw.send(Opcode.BINARY, bytes(1_000), fin=False)
            for _ in range(262):
                await raw.send(Opcode.CONT, bytes(1_000), fin=False)
            _, code, _ = await raw.closed()
            assert code == 1009


async def test_a_frame_header_of_1_gb_is_refused_before_its_payload(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """The header alone closes with 1009; no memory is taken for what it promises."""
    async with neighbour(gateway, speech), knocking(gateway) as raw:
        with PeakMemory(gateway) as memory:
            raw.writer.write(struct.pack(">BBQ", 0x82, 0x80 | 127, 1 << 30) + bytes(4))
            _, code, reason = await raw.closed()
        assert code == 1009
        assert "1073741824" in reason
        assert memory.growth_mb < 50


async def test_text_that_is_no_utf8_is_refused(gateway: GatewayProcess, scribe: Scribe) -> None:
    """A text frame of broken UTF-8 closes with 1007."""
    async with knocking(gateway) as raw:
        await raw.send(Opcode.TEXT, b"\xff\xfe")
        _, code, _ = await raw.closed()
        assert code == 1007


async def test_sockets_that_say_nothing_are_closed(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """TCP connections without a handshake, or with half of one, do not stay: AUTH_TIMEOUT_SECONDS ends them."""
    async with neighbour(gateway, speech):
        silent = []
        for number in range(200):
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            if number % 2:
                writer.write(b"GET /ws HTTP/1.1\r\nHost: x\r\n")
            silent.append(Raw(reader, writer, 0, {}))
        await asyncio.gather(*(raw.ended() for raw in silent))
        for raw in silent:
            raw.abort()


async def test_a_client_that_never_reads_is_cut_off(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """Endless questions and no ear for the answers: bounded memory, then the end of the socket, others undisturbed."""
    async with neighbour(gateway, speech), knocking(gateway, buffer=4_096) as raw:
        question = Frame(Opcode.TEXT, b'{"type":"set_langs","source_language":"%s"}' % (b"x" * 60))
        with PeakMemory(gateway) as memory, pytest.raises(ConnectionError):
            await raw.flood(question.serialize(mask=True))
        assert memory.growth_mb < 30
        await eventually(lambda: gateway.sockets == 1, "the end of the deaf client's socket; the neighbour's stays")


async def test_pings_without_end_are_refused(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """A flood of pings, whose pongs nobody reads, ends with 1008 instead of a growing gateway; a few are answered."""
    async with neighbour(gateway, speech), knocking(gateway) as raw:
        await raw.send(Opcode.PING, b"well?")
        assert await raw.frame() == (Opcode.PONG, b"well?")
        with PeakMemory(gateway) as memory, pytest.raises(ConnectionError):
            await raw.flood((b"\x89\xfd\0\0\0\0" + bytes(125)) * 1_000)
        assert memory.growth_mb < 30


async def test_sigterm_sends_everybody_elsewhere(valkey: str, tmp_path: Path, speech: NDArray[np.int16]) -> None:
    """SIGTERM closes with 1012, takes nobody in any more, exits 0, and another gateway goes on with the session."""
    with (
        GatewayProcess(valkey, tmp_path / "one", KEY_PREFIX="drained:") as one,
        GatewayProcess(valkey, tmp_path / "two", KEY_PREFIX="drained:", API_KEYS_FILE=str(one.keys_path)) as two,
    ):
        async with call(one) as caller:
            ready = await caller.start()
            await caller.send_audio(speech)
            await caller.hears("speech_started")
            one.process.send_signal(signal.SIGTERM)
            assert await caller.closed() == 1012
            assert "resume" in caller.close_reason
        await eventually(lambda: one.process.poll() is not None, "the exit")
        assert one.process.poll() == 0
        async with working(two), call(two, one.key) as again:
            await again.say("resume", session_id=ready["session_id"], token=ready["token"])
            await again.send_audio(speech[(await again.hears("ready"))["offset"] :])
            await again.say("stop")
            assert await again.closed() == 1000
            assert again.of("final")
