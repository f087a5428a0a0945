"""Deciding without a socket: revisions, overtaken partials, backoff, closes."""

import pytest
from peer import final, partial, translated

from speechpipe_client.backoff import CAP_SECONDS, Backoff
from speechpipe_client.closing import Done, Refused, Retry, judge_close, judge_status
from speechpipe_client.errors import GatewayFull, ProtocolError
from speechpipe_client.inbox import Deduplicator, EventQueue


def test_no_lower_revision_after_a_higher_but_a_new_gateway_may_count_anew():
    """Old partials are dropped within a connection; after a reconnect revisions start over."""
    news = Deduplicator()
    assert news.admit(partial("0", "ab", 2))
    assert not news.admit(partial("0", "a", 1))
    assert news.admit(partial("0", "ab", 2)), "the same revision may come again with its translation"
    news.reconnected()
    assert news.admit(partial("0", "a", 1))


def test_unread_partials_are_overtaken_and_finals_are_not():
    """The queue holds one partial for a segment and language, and every final."""
    queue = EventQueue()
    for event in (
        partial("0", "a", 1),
        translated("0", "x", is_final=False),
        partial("0", "ab", 2),
        final("0", "ab", "1"),
    ):
        queue.put(event)
    assert [queue.get().text for _ in range(3)] == ["ab", "x", "ab"]
    assert queue.get() is None


def test_backoff_grows_to_its_cap_and_ends_with_patience():
    """Waits double up to the cap, follow what the server asks for, and stop when patience has run out."""
    backoff = Backoff(patience=30.0, dice=lambda: 1.0)
    assert [backoff.next(0.0) for _ in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, CAP_SECONDS, CAP_SECONDS]
    assert backoff.next(20.0, asked=8.0) == 10.0
    assert backoff.next(26.0) is None
    backoff.reset()
    assert backoff.next(100.0) == 0.2


@pytest.mark.parametrize("code", [1005, 1006, 1001, 1011, 1012, 1013])
def test_passing_closes_are_retried(code: int):
    """A broken, leaving, restarting, failing or full gateway is tried again."""
    assert isinstance(judge_close(code, "", None), Retry)


def test_normal_and_unknown_closes():
    """1000 is the end; a code that nobody knows is not retried for ever."""
    assert judge_close(1000, "", None) == Done()
    ending = judge_close(4999, "odd", None)
    assert isinstance(ending, Refused)
    assert "odd (close 4999)" in str(ending.error)


def test_http_refusals():
    """503 keeps its Retry-After in seconds and ignores the date form; a redirect is no gateway."""
    ending = judge_status(503, "7", "ws://x/ws")
    assert isinstance(ending, Retry)
    assert ending.wait == 7.0
    assert isinstance(ending.error, GatewayFull)
    dated = judge_status(503, "Fri, 31 Dec 1999 23:59:59 GMT", "ws://x/ws")
    assert isinstance(dated, Retry)
    assert dated.wait is None
    assert isinstance(judge_status(302, None, "ws://x/ws"), Refused)
    assert isinstance(judge_status(302, None, "ws://x/ws").error, ProtocolError)
