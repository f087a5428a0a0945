"""Trace files: what is read, and that each mistake is named by its line."""

from pathlib import Path

import pytest

from speechpipe_operator.simulate.trace import MOST_PROBLEMS, TraceError, parse, read


def refused(text: str) -> str:
    """What is said about a bad trace."""
    with pytest.raises(TraceError) as caught:
        parse(text, "t.csv", "t")
    return str(caught.value)


def test_a_line_for_each_job(tmp_path: Path):
    """Arrivals and audio are read as they are; comments, blank lines, spaces and a byte-order mark do not matter."""
    path = tmp_path / "monday.csv"
    path.write_text("\ufeff# from the ticket\nat_seconds, work_seconds\n0,1.5\n\n 2.5 ,4\n2.5,3\n", encoding="utf-8")
    trace = read(path)
    assert (trace.name, trace.length) == ("monday", 2.5)
    assert trace.at.tolist() == [0.0, 2.5, 2.5]
    assert trace.work.tolist() == [1.5, 4.0, 3.0]


def test_a_line_for_each_interval():
    """Jobs are spread over their interval and share its work; the last interval is as long as the one before it."""
    trace = parse("seconds,arrivals,work_seconds\n0,2,6\n10,0,0\n20,1,5\n", "t.csv", "t")
    assert trace.at.tolist() == [2.5, 7.5, 25.0]
    assert trace.work.tolist() == [3.0, 3.0, 5.0]
    assert trace.length == 30.0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("3,x", "t.csv:3: work_seconds is 'x': not a number"),
        ("3,nan", "t.csv:3: work_seconds is 'nan': not a number"),
        ("3,inf", "t.csv:3: work_seconds is 'inf': not a number"),
        ("3,0", "t.csv:3: work_seconds is '0': a job has some audio"),
        ("-3,1", "t.csv:3: at_seconds is '-3': must not be negative"),
        ("1,1", "t.csv:3: at_seconds is 1 after 2: lines must be in the order of time"),
        ("3", "t.csv:3: 1 fields; at_seconds,work_seconds are 2"),
        ("3,1,1", "t.csv:3: 3 fields; at_seconds,work_seconds are 2"),
        ("1790000000,1", "t.csv:3: at_seconds is '1790000000': more than 31 days"),
    ],
)
def test_a_bad_job_is_named_by_line(line: str, says: str):
    """The line, the field and the value."""
    assert says in refused(f"at_seconds,work_seconds\n2,1\n{line}\n")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("10,1.5,3", "t.csv:3: arrivals is '1.5': must be a whole number"),
        ("10,2,0", "t.csv:3: 2 arrivals with 0 s of work"),
        ("10,0,2", "t.csv:3: 0 arrivals with 2 s of work"),
        ("0,1,1", "t.csv:3: seconds is 0 after 0"),
        ("10,5000000,1", "t.csv:3: more than 2000000 jobs"),
    ],
)
def test_a_bad_interval_is_named_by_line(line: str, says: str):
    """The line, the field and the value."""
    assert says in refused(f"seconds,arrivals,work_seconds\n0,1,1\n{line}\n20,1,1\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "t.csv: empty"),
        ("# nothing\n", "t.csv: empty"),
        ("time,jobs\n1,2\n", "t.csv:1: the header is 'time,jobs'"),
        ("at_seconds,work_seconds\n", "a header but no lines"),
        ("seconds,arrivals,work_seconds\n0,1,1\n", "t.csv:2: the only interval"),
        ("seconds,arrivals,work_seconds\n0,0,0\n1,0,0\n", "no job arrives"),
    ],
)
def test_a_file_that_is_no_trace_says_what_it_lacks(text: str, says: str):
    """Both headers are shown where the header is wrong."""
    assert says in refused(text)


def test_all_bad_lines_are_named_up_to_a_bound():
    """Two mistakes are both said; a file that is wrong throughout does not fill the screen."""
    assert refused("at_seconds,work_seconds\nx,1\n1,1\n2,y\n").count("t.csv:") == 2
    assert refused("at_seconds,work_seconds\n" + "x,1\n" * 500).count("\n") == MOST_PROBLEMS


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    """A PNG given for a CSV is no traceback."""
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(TraceError, match="not UTF-8 text"):
        read(path)
