"""Audio goes past the queue that messages go through: what a client says is taken in its order all the same."""

from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from websockets.frames import Frame, Opcode
from wire_raw import knocking
from wire_world import RATE, GatewayProcess, Scribe, working

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with its defaults."""
    with GatewayProcess(valkey, tmp_path_factory.mktemp("gateway")) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles jobs."""
    async with working(gateway) as scribe:
        yield scribe


def english(clips: dict[str, NDArray[np.int16]]) -> list[NDArray[np.int16]]:
    """Clips whose last sound is near their end: after a longer pause a final ends where its candidate did."""
    return [clips[name][: -RATE // 4] for name in sorted(clips) if name.startswith("en/")]


def said(text: str) -> bytes:
    """A text frame."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=True)


def audio(samples: NDArray[np.int16], frame_ms: int) -> list[bytes]:
    """Binary frames of so many milliseconds."""
    size = RATE * frame_ms // 1000
    pieces = [samples[at : at + size].astype("<i2").tobytes() for at in range(0, len(samples), size)]
    return [Frame(Opcode.BINARY, piece).serialize(mask=True) for piece in pieces]


@pytest.mark.parametrize("frame_ms", [10, 100])
@pytest.mark.parametrize("piece", [700, 1 << 20])
async def test_flush_and_stop_end_what_was_said_before_them(
    frame_ms: int, piece: int, gateway: GatewayProcess, scribe: Scribe, clips: dict[str, NDArray[np.int16]]
) -> None:
    """Audio, ``flush``, audio and ``stop`` in one go, in small and large pieces: two finals that end on the sample."""
    first, second = english(clips)[:2]
    script = [said('{"type":"start"}'), *audio(first, frame_ms), said('{"type":"flush"}')]
    script += [*audio(second, frame_ms), said('{"type":"stop"}')]
    everything = b"".join(script)
    async with knocking(gateway) as raw:
        for at in range(0, len(everything), piece):
            raw.writer.write(everything[at : at + piece])
            await raw.writer.drain()
        messages, code, _ = await raw.closed()
    assert code == 1000, messages
    ends = [round(message["end"] * RATE) for message in messages if message["type"] == "final"]
    assert len(first) in ends
    assert ends[-1] == len(first) + len(second)
    [client] = [message["session_id"] for message in messages if message["type"] == "ready"]
    spoken = np.concatenate([first, second])
    for (owner, start, end), pcm in scribe.pcm.items():
        assert owner != client or pcm == spoken[start:end].tobytes()


async def test_audio_and_messages_in_fragments_keep_their_order(
    gateway: GatewayProcess, scribe: Scribe, clips: dict[str, NDArray[np.int16]]
) -> None:
    """A message in fragments with a ping between them, amid whole ones, is heard where it was said."""
    speech = english(clips)[0]
    pcm = speech.astype("<i2").tobytes()
    third = len(pcm) // 3 // 2 * 2
    parts = [
        Frame(Opcode.BINARY, pcm[:third]).serialize(mask=True),
        Frame(Opcode.BINARY, pcm[third : third + 200], fin=False).serialize(mask=True),
        Frame(Opcode.PING, b"?").serialize(mask=True),
        Frame(Opcode.CONT, pcm[third + 200 : 2 * third]).serialize(mask=True),
        Frame(Opcode.BINARY, pcm[2 * third :]).serialize(mask=True),
    ]
    async with knocking(gateway) as raw:
        raw.writer.write(said('{"type":"start"}') + b"".join(parts) + said('{"type":"stop"}'))
        messages, code, _ = await raw.closed()
    assert code == 1000, messages
    [client] = [message["session_id"] for message in messages if message["type"] == "ready"]
    heard = {(start, end): audio for (owner, start, end), audio in scribe.pcm.items() if owner == client}
    assert heard
    assert all(audio == speech[start:end].tobytes() for (start, end), audio in heard.items())
    assert max(end for _, end in heard) == len(speech)
