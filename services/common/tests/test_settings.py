"""Settings are read from the environment, and bad ones are refused in words."""

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, SecretStr

from speechpipe_common.redaction import redact_url
from speechpipe_common.settings import ServiceSettings, WorkerSettings, load
from speechpipe_common.settings_text import markdown, rows


class ExampleSettings(WorkerSettings):
    """An example."""

    health_port: int = Field(default=8081, ge=0, le=65535, description="Health.")
    device: Literal["cpu", "cuda"] = Field(default="cpu", description="Where the model | runs.")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="A share.")
    api_key: SecretStr | None = Field(default=None, min_length=8, description="A secret.")
    model_path: Path | None = Field(default=None, description="A path.")
    flag: bool = Field(default=False, description="A switch.")
    names: tuple[str, ...] = Field(default=(), description="A list.")


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environment: str) -> str:
    """What stderr says when the example settings are loaded from this environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_:
        load(ExampleSettings)
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_defaults_are_those_of_the_reference_system(monkeypatch):
    """Without an environment, the documented defaults hold."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    settings = load(ExampleSettings)
    assert settings.redis_url == "redis://localhost:6379"
    assert (settings.health_port, settings.claim_idle_seconds, settings.max_deliveries) == (8081, 5.0, 3)


def test_environment_wins_and_empty_means_default(monkeypatch):
    """A variable replaces the default, an empty one does not, and unknown variables of the machine do not matter."""
    monkeypatch.setenv("HEALTH_PORT", "0")
    monkeypatch.setenv("DEVICE", "")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    settings = load(ExampleSettings)
    assert (settings.health_port, settings.device) == (0, "cpu")


def test_every_bad_value_gets_its_own_line(monkeypatch, capsys):
    """Each refused value is one line with the variable, the value and what is allowed, and no traceback."""
    err = refused(monkeypatch, capsys, HEALTH_PORT="eighty", DEVICE="tpu", THRESHOLD="1")
    lines = err.splitlines()
    assert len(lines) == 3
    assert "HEALTH_PORT='eighty'" in lines[0]
    assert "allowed: whole number from 0 to 65535 (default 8081)" in lines[0]
    assert "DEVICE='tpu'" in lines[1]
    assert "one of cpu, cuda" in lines[1]
    assert "THRESHOLD='1'" in lines[2]
    assert "number above 0 below 1" in lines[2]


def test_secrets_are_never_printed(monkeypatch, capsys):
    """A refused secret, and the password inside a refused URL, stay out of the message; so does repr."""
    err = refused(monkeypatch, capsys, API_KEY="hunter2", REDIS_URL="http://me:hunter2@host:1")
    assert "hunter2" not in err
    assert "API_KEY=(hidden)" in err
    assert "http://***@host:1" in err
    monkeypatch.setenv("API_KEY", "hunter2hunter2")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@host:1")
    assert "hunter2" not in repr(load(ExampleSettings))


@pytest.mark.parametrize("url", ["localhost:6379", "redis://", "redis://host:port", "https://host"])
def test_redis_url_must_be_one(monkeypatch, capsys, url):
    """What cannot be a Redis URL is refused at start rather than at the first command."""
    assert "REDIS_URL=" in refused(monkeypatch, capsys, REDIS_URL=url)


def test_broken_json_is_refused_by_name(monkeypatch, capsys):
    """A list setting that is not JSON is refused without a traceback."""
    err = refused(monkeypatch, capsys, NAMES="a,b")
    assert "names" in err
    assert "Traceback" not in err


def test_unknown_arguments_are_refused(capsys):
    """An argument that is not --help ends the process with exit code 2."""
    with pytest.raises(SystemExit) as exit_:
        load(ExampleSettings, ["--port", "1"])
    assert exit_.value.code == 2
    assert "'--port'" in capsys.readouterr().err


def test_help_lists_every_setting(capsys):
    """--help names each variable with default and description, and exits 0."""
    with pytest.raises(SystemExit) as exit_:
        load(ExampleSettings, ["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    for row in rows(ExampleSettings):
        assert row.variable in out
        assert row.default in out
    assert "REDIS_URL (default redis://localhost:6379; text)" in out


def test_settings_without_description_are_an_error():
    """A setting cannot land without words for the docs."""

    class Silent(ServiceSettings):
        """Silent."""

        mute: int = 1

    with pytest.raises(ValueError, match=r"Silent\.mute has no description"):
        rows(Silent)


def test_markdown_has_a_row_for_each_setting():
    """The generated page has one table row per setting, with bars escaped."""
    page = markdown([ExampleSettings])
    assert page.count("\n| `") == len(ExampleSettings.model_fields)
    assert "| `DEVICE` | cpu | one of cpu, cuda | Where the model \\| runs. |" in page


def test_module_prints_markdown():
    """Running speechpipe_common.settings prints the page for the classes it is given."""
    command = [sys.executable, "-m", "speechpipe_common.settings", "speechpipe_common.settings:WorkerSettings"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "| `MAX_DELIVERIES` | 3 |" in done.stdout


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:pw@h:1/0", "redis://***@h:1/0"),
        ("redis://u:p@w@h:1", "redis://***@h:1"),
        ("Error connecting to rediss://u:pw@h, then x@y", "Error connecting to rediss://***@h, then x@y"),
        ("redis://h:1", "redis://h:1"),
        ("unix:///run/x.sock", "unix:///run/x.sock"),
    ],
)
def test_passwords_leave_urls(text, shown):
    """User and password of any URL inside a text are replaced, and the rest stays."""
    assert redact_url(text) == shown
