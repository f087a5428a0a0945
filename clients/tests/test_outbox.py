"""The outbox: what is sent, kept, and sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_client.errors import ProtocolError
from speechpipe_client.outbox import Outbox
from speechpipe_common.wire import Flush, Stop


def drain(outbox: Outbox, limit: int = 10) -> list[object]:
    """Everything due, in order."""
    taken: list[object] = []
    while (due := outbox.take(limit)) is not None:
        taken.append(due)
    return taken


def test_control_messages_keep_their_place_and_come_again_after_a_rewind():
    """A mark is sent after the audio before it; rewinding to its very place sends it again."""
    outbox = Outbox(2)
    outbox.append(b"aabb")
    outbox.mark(Flush())
    outbox.append(b"cc")
    outbox.mark(Stop())
    assert drain(outbox) == [b"aabb", Flush(), b"cc", Stop()]
    outbox.rewind(2)
    assert drain(outbox) == [Flush(), b"cc", Stop()]


def test_a_rewind_behind_what_was_released_is_refused():
    """A gateway that wants acknowledged audio back gets an error, never other audio in its place."""
    outbox = Outbox(2)
    outbox.append(b"aabbcc")
    drain(outbox)
    outbox.release(2)
    with pytest.raises(ProtocolError, match="from frame 1"):
        outbox.rewind(1)
    with pytest.raises(ProtocolError, match="from frame 4"):
        outbox.rewind(4)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(0, 40)),
            st.tuples(st.just("take"), st.integers(1, 50)),
            st.tuples(st.just("release"), st.integers(0, 200)),
            st.tuples(st.just("rewind"), st.integers(0, 200)),
        ),
        max_size=60,
    )
)
def test_whatever_happens_the_peer_gets_the_audio_in_order(actions: list[tuple[str, int]]):
    """Under any order of sending, acknowledging and rewinding, what is taken is the audio at the position asked for."""
    outbox, written, position = Outbox(2), bytearray(), 0
    for action, number in actions:
        match action:
            case "append":
                pcm = bytes((len(written) + index) % 251 for index in range(2 * number))
                written += pcm
                outbox.append(pcm)
            case "take":
                due = outbox.take(number)
                if isinstance(due, bytes):
                    assert due == written[2 * position : 2 * position + len(due)]
                    position += len(due) // 2
            case "release":
                outbox.release(number)
                assert outbox.acknowledged <= position
            case "rewind" if outbox.acknowledged <= number <= outbox.end:
                outbox.rewind(number)
                position = number
    assert outbox.unsent_bytes == len(written) - 2 * position
