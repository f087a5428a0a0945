"""Log lines are structured, and say nothing that they must not."""

import io
import json
import logging

import pytest
import structlog

from speechpipe_common import logs


@pytest.fixture
def lines():
    """Configured JSON logging; a function that returns what was logged so far."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    out = io.StringIO()
    logs.configure(component="stt", instance_id="stt-1", level="debug", form="json", stream=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_lines_carry_component_instance_level_and_time(lines):
    """Each line says when, what, how bad, and from which process."""
    logs.get_logger("here").warning("redis_lost", reason="gone")
    (line,) = lines()
    assert line["event"] == "redis_lost"
    assert line["reason"] == "gone"
    assert (line["component"], line["instance_id"], line["level"], line["logger"]) == (
        "stt",
        "stt-1",
        "warning",
        "here",
    )
    assert line["timestamp"].endswith("Z")


def test_standard_library_loggers_are_routed_too(lines):
    """A library that uses logging ends in the same format, its arguments filled in and redacted."""
    logging.getLogger("lib").error("cannot reach %s", "redis://:hunter2@h:1")
    (line,) = lines()
    assert line["event"] == "cannot reach redis://***@h:1"
    assert line["component"] == "stt"


@pytest.mark.parametrize("name", ["text", "Audio", "token", "words", "password", "api_key", "payload", "prompt"])
def test_speech_and_secrets_are_withheld_by_name(lines, name):
    """A field that could hold speech or a secret is replaced, at any depth."""
    logs.get_logger("x").info("e", **{name: "said in confidence"}, nested={"list": [{name: "said in confidence"}]})
    assert "confidence" not in json.dumps(lines())
    assert lines()[0][name] == logs.WITHHELD


def test_bytes_and_urls_are_cleaned_by_value(lines):
    """Bytes are shown as a length, and a URL anywhere loses its password."""
    logs.get_logger("x").info("e", body=b"12345", url="redis://me:hunter2@h:1", many=["rediss://:hunter2@h"])
    (line,) = lines()
    assert line["body"] == "(5 bytes)"
    assert "hunter2" not in json.dumps(line)


def test_tracebacks_show_no_locals(lines):
    """An exception is logged with its stack, without the values of local variables, and without passwords."""

    def fails() -> None:
        said = "said in " + "confidence"
        raise ValueError(f"{len(said)} at redis://:hunter2@h")

    try:
        fails()
    except ValueError:
        logs.get_logger("x").exception("failed")
    (line,) = lines()
    assert "ValueError: 18 at redis://***@h" in line["exception"]
    assert "said in confidence" not in line["exception"]


def test_human_lines_without_a_terminal_have_no_colours():
    """The human form is readable text, without escape codes where no terminal would understand them."""
    out = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    logs.configure(component="stt", instance_id="stt-1", form="human", stream=out)
    logs.get_logger("x").info("worker_ready", port=8081)
    logs.get_logger("x").debug("too fine")
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()
    assert "worker_ready" in out.getvalue()
    assert "port=8081" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert "too fine" not in out.getvalue()
