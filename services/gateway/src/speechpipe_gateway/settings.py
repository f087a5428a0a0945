"""Everything the gateway is told through its environment."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from speechpipe_common.addresses import JWKS_URL
from speechpipe_common.keys import AUDIO_TTL_SECONDS
from speechpipe_common.languages import resolve
from speechpipe_common.settings import Port
from speechpipe_common.shards import MOST_SHARDS
from speechpipe_gateway.settings_captions import CaptionSettings
from speechpipe_gateway.settings_files import FileSettings
from speechpipe_gateway.tokens.rules import ALGORITHMS, TokenRule


class GatewaySettings(FileSettings, CaptionSettings):
    """Settings of the gateway: WebSocket audio in, captions out."""

    gateway_host: str = Field(
        default="0.0.0.0",  # noqa: S104 - clients come from outside the pod
        description="Address that serves /ws.",
    )
    gateway_port: Port = Field(default=5026, description="Port of /ws; 0 takes a free one.")

    gateway_processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes behind the port, for a machine with several cores: each has sessions of its own and an "
        "even share of MAX_SESSIONS and MAX_SESSIONS_PER_KEY. /health, /ready and /metrics tell of all; when one ends, "
        "all do.",
    )

    sample_rate: int = Field(
        default=16_000,
        ge=8_000,
        le=192_000,
        description="Rate in Hz that a client is taken to send at when neither start nor a header names one.",
    )
    default_source_language: str = Field(
        default="auto", description="What is spoken where a client says no set_langs; auto detects it."
    )
    default_target_languages: str = Field(
        default="", description="What that is translated into, with commas between; empty: nothing is translated."
    )
    webrtc_sensitivity: int = Field(
        default=3, ge=0, le=3, description="Aggressiveness of the WebRTC detector: 3 takes the least for speech."
    )
    silero_sensitivity: float = Field(
        default=0.7,
        ge=0.05,
        le=0.95,
        description="Speech may begin where Silero's probability is above 1 minus this; higher hears more.",
    )
    pre_speech_buffer_seconds: float = Field(
        default=1.0, ge=0.1, le=5, description="Audio kept in front of an onset, so that first words are whole."
    )
    silence_threshold_seconds: float = Field(
        default=0.8,
        ge=0.2,
        le=10,
        description="Silence that ends an utterance: longer than most pauses within a sentence, short enough that its "
        "final comes while the sentence is still in mind. A client may ask for another in start.",
    )
    candidate_seconds: float = Field(
        default=0.3, ge=0.1, le=5, description="Silence after which the final's text is prepared in advance."
    )
    min_speech_seconds: float = Field(
        default=0.25, ge=0, le=2, description="Speech below which an onset was none: clicks, coughs, hum setting in."
    )
    max_segment_seconds: float = Field(
        default=10.0,
        ge=3,
        le=28,
        description="Longest piece of unbroken speech; it is cut at its quietest place. Whisper hears 30 s at most.",
    )
    partial_interval_seconds: float = Field(
        default=1.0,
        ge=0.1,
        le=10,
        description="New audio that a partial caption must bring; half of it until the first words are shown.",
    )
    resubmit_seconds: float = Field(
        default=10.0,
        ge=1,
        le=AUDIO_TTL_SECONDS / 2,
        description="A final or translation that has not come after this long is submitted again.",
    )

    redis_shards: int = Field(
        default=0,
        ge=0,
        le=MOST_SHARDS,
        description="How many of the Redis in REDIS_URL, from the first, take new sessions; those after them keep the "
        "sessions that they have, until they can be taken away. 0: all of them.",
    )
    max_queue_depth: int = Field(
        default=100, ge=1, description="Jobs waiting beyond which no new session is admitted and partials are shed."
    )
    max_pending_segments: int = Field(
        default=16, ge=2, description="Segments of one session without their final beyond which its audio is not read."
    )
    max_sessions: int = Field(default=200, ge=1, description="Sessions that this gateway takes at a time.")
    max_recordings: int = Field(
        default=32,
        ge=1,
        description="Sessions at a time whose audio comes as Opus (WebM, Ogg, or bare packets): each has a process of "
        "about 15 MB that unpacks it, 256 MB at most.",
    )
    max_sessions_per_key: int = Field(
        default=100, ge=1, description="Sessions of one API key on this gateway, unless the key's own line says else."
    )
    max_memory_percent: int = Field(
        default=80, ge=1, le=100, description="Share of Redis's maxmemory from which on no new session is admitted."
    )
    max_session_seconds: float = Field(
        default=14_400, ge=60, description="A session ends after this long; the client may begin another."
    )
    idle_timeout_seconds: float = Field(
        default=60,
        ge=1,
        description="A connection is closed when nothing comes for this long, not even keepalive.",
    )
    detached_seconds: float = Field(
        default=30, ge=0, description="How long a session whose client vanished stays in memory, waiting for it."
    )
    drain_seconds: float = Field(
        default=20, ge=0, le=3600, description="How long sessions may finish when this process is told to stop."
    )
    max_message_bytes: int = Field(
        default=262_144,
        ge=4_096,
        le=16_777_216,
        description="Longest WebSocket message; a longer one is refused.",
    )
    max_messages_per_second: int = Field(
        default=500, ge=10, description="Messages of one connection beyond which it is read more slowly."
    )

    auth: Literal["required", "off"] = Field(
        default="required", description="off lets everybody in; required needs API_KEYS_FILE, JWKS_URL, or both."
    )
    api_keys_file: Path | None = Field(
        default=None, description="File of API keys, one key-id:sha256-hex[:max-sessions] a line; read again on change."
    )
    jwks_url: str = Field(
        default="",
        pattern=rf"^$|{JWKS_URL}",
        description="Where the keys are with which an identity provider signs tokens (JWT); empty: none are taken. "
        "https://, or http:// for localhost and Services (name.namespace.svc).",
    )
    jwt_issuer: str = Field(default="", max_length=1024, description="What a token's iss must be.")
    jwt_audience: str = Field(default="", max_length=1024, description="What a token's aud must be or contain.")
    jwt_algorithms: str = Field(
        default="RS256", description=f"How tokens may be signed, with commas between: {', '.join(ALGORITHMS)}."
    )
    jwt_subject_claim: str = Field(
        default="sub",
        pattern=r"^[A-Za-z0-9_.:/-]{1,128}$",
        description="Claim that names who a token's bearer is: MAX_SESSIONS_PER_KEY and sessions belong to its value.",
    )
    jwks_stale_seconds: float = Field(
        default=21_600,
        ge=10,
        description="How long signing keys count that cannot be fetched again; then no token is taken.",
    )
    auth_timeout_seconds: float = Field(
        default=5.0, ge=0.5, le=60, description="How long a connection may take to show its key."
    )
    pre_auth_bytes: int = Field(
        default=4_096, ge=512, description="Bytes that a connection may send before it has shown its key."
    )
    max_unauthenticated: int = Field(
        default=256, ge=1, description="Connections that have not shown a key yet, in all."
    )
    max_unauthenticated_per_address: int = Field(
        default=16, ge=1, description="Connections that have not shown a key yet, from one address."
    )
    allowed_origins: str = Field(
        default="",
        description="Origins of web pages that may connect, with commas between, or *; empty: the gateway's own host "
        "only. Programs, which send no Origin, are not concerned.",
    )

    @field_validator("allowed_origins")
    @classmethod
    def _origins_are_origins(cls, value: str) -> str:
        for origin in _split(value):
            parts = urlsplit(origin)
            if origin != "*" and (not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}"):
                raise ValueError(f"{origin!r} is no origin; write https://host or https://host:port, or *")
        return value

    @model_validator(mode="after")
    def _settings_fit_together(self) -> Self:
        if self.auth == "required" and self.api_keys_file is None and not self.jwks_url:
            raise ValueError(
                "neither API_KEYS_FILE nor JWKS_URL is set; name a key file or signing keys, or say AUTH=off to let "
                "everybody in"
            )
        if self.jwks_url and not (self.jwt_issuer and self.jwt_audience):
            raise ValueError("JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE, or tokens for others would be taken")
        if self.candidate_seconds > self.silence_threshold_seconds:
            raise ValueError(
                f"CANDIDATE_SECONDS={self.candidate_seconds} is longer than "
                f"SILENCE_THRESHOLD_SECONDS={self.silence_threshold_seconds}; make it shorter"
            )
        if self.redis_shards > len(self.redis_urls):
            raise ValueError(
                f"REDIS_SHARDS={self.redis_shards} is more than the {len(self.redis_urls)} Redis that REDIS_URL names"
            )
        return self

    @field_validator("default_source_language")
    @classmethod
    def _source_is_heard(cls, value: str) -> str:
        if value != "auto" and not resolve(value).whisper:
            raise ValueError(f"{value} can be translated into, not transcribed")
        return value

    @field_validator("default_target_languages")
    @classmethod
    def _targets_are_known(cls, value: str) -> str:
        for name in _split(value):
            resolve(name)
        return value

    @field_validator("jwt_algorithms")
    @classmethod
    def _algorithms_are_asymmetric(cls, value: str) -> str:
        chosen = _split(value)
        if not chosen or set(chosen) - set(ALGORITHMS):
            raise ValueError(f"{value!r}: choose from {', '.join(ALGORITHMS)}")
        return value

    @property
    def token_rule(self) -> TokenRule:
        """What tokens must say; of use with ``jwks_url`` only."""
        return TokenRule(self.jwt_issuer, self.jwt_audience, _split(self.jwt_algorithms), self.jwt_subject_claim)

    @property
    def default_source(self) -> str | None:
        """Code of ``default_source_language``, None to detect."""
        name = self.default_source_language
        return None if name == "auto" else resolve(name).code

    @property
    def default_targets(self) -> tuple[str, ...]:
        """Codes of ``default_target_languages``."""
        return tuple(dict.fromkeys(resolve(name).code for name in _split(self.default_target_languages)))

    @property
    def origins(self) -> tuple[str, ...]:
        """``allowed_origins``, one by one."""
        return _split(self.allowed_origins)


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())
