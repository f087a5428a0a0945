"""FrameSplitter: what it cuts is what a whole parser reads, whatever comes and in whatever pieces."""

import struct
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from speechpipe_gateway.app.framing import FrameSplitter

LIMIT = 70_000


@dataclass
class Heard:
    """What a server made of a client's bytes: opcode, FIN and payload of each frame, and why it gave up."""

    frames: list[tuple[int, bool, bytes]] = field(default_factory=list)
    refused: str = ""

    def take(self, parser: ServerProtocol, data: bytes) -> None:
        """Give the parser more."""
        parser.receive_data(data)
        self.frames += [(e.opcode, e.fin, bytes(e.data)) for e in parser.events_received() if isinstance(e, Frame)]
        self.refused = str(parser.parser_exc or "")


def parser() -> ServerProtocol:
    """One that is past its handshake."""
    return ServerProtocol(max_size=LIMIT, state=OPEN)


def whole(data: bytes) -> Heard:
    """All of it to the parser."""
    heard = Heard()
    heard.take(parser(), data)
    return heard


def split(data: bytes, pieces: list[int]) -> tuple[Heard, int]:
    """Through the splitter, cut after so many bytes each; and how many messages the parser did not see."""
    heard, splitter, rest, direct = Heard(), FrameSplitter(LIMIT), parser(), 0
    at = 0
    for size in [*pieces, len(data)]:
        for is_message, piece in splitter.feed(data[at : at + size]):
            if is_message:
                heard.frames.append((Opcode.BINARY, True, bytes(piece)))
                direct += 1
            elif not heard.refused:
                heard.take(rest, piece)
        at += size
    return heard, direct


payloads = st.one_of(st.binary(max_size=200), st.integers(0, LIMIT + 1_000).map(bytes))
frames = st.builds(
    lambda opcode, payload, fin: Frame(opcode, payload[:125] if opcode >= 8 else payload, fin or opcode >= 8).serialize(
        mask=True
    ),
    st.sampled_from([Opcode.BINARY] * 3 + [Opcode.TEXT, Opcode.CONT, Opcode.PING, Opcode.PONG, Opcode.CLOSE]),
    payloads,
    st.booleans(),
)


@given(
    data=st.lists(st.one_of(frames, st.binary(min_size=1, max_size=8)), max_size=8).map(b"".join),
    pieces=st.lists(st.integers(1, 40_000), max_size=12),
)
@example(data=bytes.fromhex("828039cf8ad7 80809e00a516 8280bc44bf00"), pieces=[])
@example(data=bytes.fromhex("028039cf8ad7 8280bc44bf00 8280bc44bf00"), pieces=[])
@example(data=bytes.fromhex("888039cf8ad7 8280bc44bf00"), pieces=[])
def test_any_bytes_are_read_as_a_whole_parser_reads_them(data: bytes, pieces: list[int]) -> None:
    """Frames of any kind, and rubbish, in pieces of any size: the same messages in the same order, the same refusal."""
    expected, (heard, _) = whole(data), split(data, pieces)
    assert heard == expected


def test_audio_does_not_meet_the_parser() -> None:
    """Whole binary messages of every length of header are cut out byte by byte; what is between them is handed on."""
    audio = [bytes([1]) * size for size in (0, 125, 126, 3_200, 65_535, 65_536)]
    stream = b"".join(Frame(Opcode.BINARY, each).serialize(mask=True) for each in audio)
    stream += Frame(Opcode.TEXT, b"{}").serialize(mask=True) + Frame(Opcode.BINARY, b"last").serialize(mask=True)
    heard, direct = split(stream, [1] * len(stream))
    assert direct == len(audio) + 1
    assert [payload for _, _, payload in heard.frames] == [*audio, b"{}", b"last"]


def test_a_header_that_promises_too_much_is_handed_on_at_once() -> None:
    """The parser sees a gigabyte's header before any of its payload, and refuses it."""
    heard, _ = split(struct.pack(">BBQ", 0x82, 0x80 | 127, 1 << 30), [])
    assert "1073741824" in heard.refused
