"""The pure parts of the runner."""

import io

import pytest

from speechpipe_operator.components import Component, Plan, Probe
from speechpipe_operator.local.backoff import Backoff, BackoffPolicy
from speechpipe_operator.local.lines import LONGEST_LINE, LineSplitter, PrefixLog


def test_backoff_doubles_to_its_longest_and_resets() -> None:
    """Waits double up to the longest, and begin anew after a run that went well."""
    backoff = Backoff(BackoffPolicy(first=1, longest=10, well=30), jitter=lambda: 0.0)
    assert [backoff.next(0) for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert backoff.next(30) == 1
    assert backoff.next(29) == 2


def test_backoff_survives_many_failures() -> None:
    """Two thousand failures in a row still give a finite wait."""
    backoff = Backoff(BackoffPolicy(longest=30), jitter=lambda: 0.0)
    assert [backoff.next(0) for _ in range(2000)][-1] == 30


def test_jitter_takes_at_most_half() -> None:
    """A wait lies between half and the whole of what the policy says."""
    backoff = Backoff(BackoffPolicy(first=8, longest=8))
    assert all(4 <= backoff.next(0) <= 8 for _ in range(200))


def test_lines_are_put_together_from_chunks() -> None:
    """Lines and characters that are cut by chunks come out whole, ended by LF or CRLF; empty ones are left out."""
    splitter = LineSplitter()
    assert splitter.feed(b"eins\nzw", 0) == ["eins"]
    word = "ölf".encode()
    assert splitter.feed(word[:1], 0) == []
    assert splitter.feed(word[1:] + b"\r\n\n  \nend", 0) == ["zwölf"]
    assert splitter.end() == ["end"]


def test_progress_bars_come_once_a_second() -> None:
    """Of a line that is redrawn with carriage returns, one picture a second is shown, and the last one always."""
    splitter = LineSplitter()
    assert splitter.feed(b"10%\r20%\r30%\r", 5.0) == ["10%"]
    assert splitter.feed(b"40%\r", 5.5) == []
    assert splitter.feed(b"50%\r60%\r", 6.1) == ["40%"]
    assert splitter.feed(b"100%\n", 6.2) == ["100%"]


def test_an_endless_line_is_broken() -> None:
    """Output without line ends does not pile up in memory."""
    splitter = LineSplitter()
    lines = splitter.feed(b"x" * (3 * LONGEST_LINE + 5), 0)
    assert [len(line) for line in lines] == [LONGEST_LINE] * 3
    assert splitter.end() == ["x" * 5]


class Terminal(io.StringIO):
    """A text stream that calls itself a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_only_where_wanted(stream: io.StringIO, environ: dict[str, str], coloured: bool) -> None:
    """Prefixes are coloured on a terminal unless NO_COLOR or a dumb terminal forbids it, and padded to one width."""
    log = PrefixLog(stream, width=7, environ=environ)
    log.line("stt", "one")
    log.line("gateway", "two")
    first, second = stream.getvalue().splitlines()
    assert ("\x1b[" in first) is coloured
    assert "stt     |" in first
    assert first.endswith(" one")
    assert "gateway |" in second


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        """Fail as a broken pipe does."""
        raise BrokenPipeError


def test_a_broken_pipe_silences_the_log() -> None:
    """When the reader of our output goes away, the pipeline runs on without a log."""
    log = PrefixLog(Gone(), environ={})
    log.line("stt", "one")
    log.line("stt", "two")


def component(name: str, *needs: str) -> Component:
    """A component of which only the order matters."""
    return Component(name, ("python",), (), Probe("http", "health"), depends_on=needs)


def test_levels_follow_dependencies() -> None:
    """Each level needs only what comes before it."""
    plan = Plan("p", (component("gateway", "redis"), component("redis"), component("stt", "redis")))
    assert [[c.name for c in level] for level in plan.levels()] == [["redis"], ["gateway", "stt"]]


@pytest.mark.parametrize(
    ("components", "message"),
    [((component("a", "b"), component("b", "a")), "circle"), ((component("a", "nobody"),), "nobody")],
)
def test_impossible_dependencies_are_refused(components: tuple[Component, ...], message: str) -> None:
    """A circle and an unknown name are errors, not a hang."""
    with pytest.raises(ValueError, match=message):
        Plan("p", components).levels()
