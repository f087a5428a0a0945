"""The gateway's settings: defaults of the reference system, and bad values refused by name."""

import pytest

from speechpipe_common.settings import load
from speechpipe_gateway.settings import GatewaySettings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GatewaySettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AUTH", "off")


def test_defaults() -> None:
    """What the reference system's users know is as they know it."""
    settings = load(GatewaySettings)
    assert (settings.gateway_port, settings.health_port, settings.sample_rate) == (5026, 8080, 16_000)
    assert (settings.webrtc_sensitivity, settings.silero_sensitivity) == (3, 0.7)
    assert (settings.pre_speech_buffer_seconds, settings.max_queue_depth) == (1.0, 100)
    assert settings.max_segment_seconds == 10
    assert settings.redis_url == "redis://localhost:6379"


def test_authentication_is_off_only_when_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without AUTH=off and without a key file the gateway does not start, and says both ways out."""
    monkeypatch.delenv("AUTH")
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    message = capsys.readouterr().err
    assert "API_KEYS_FILE" in message
    assert "AUTH=off" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH", "none"),
        ("GATEWAY_PORT", "http"),
        ("SAMPLE_RATE", "5000"),
        ("WEBRTC_SENSITIVITY", "4"),
        ("SILERO_SENSITIVITY", "1"),
        ("MAX_SEGMENT_SECONDS", "31"),
        ("RESUBMIT_SECONDS", "301"),
        ("ALLOWED_ORIGINS", "captions.example"),
        ("CANDIDATE_SECONDS", "0.9"),
    ],
)
def test_bad_values_are_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value out of its range stops the start with the variable's name and the value."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    message = capsys.readouterr().err
    assert name in message
    assert value in message


def test_origins_are_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several origins stand with commas between."""
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, http://localhost:8000")
    assert load(GatewaySettings).origins == ("https://a.example", "http://localhost:8000")
