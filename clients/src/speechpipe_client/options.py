"""What a client declares when it opens a session."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

from speechpipe_client.errors import UnsupportedLanguage
from speechpipe_common.languages import UnknownLanguage, resolve
from speechpipe_common.wire import SetLangs, Start

RawFormat = Literal["s16", "f32"]

DEFAULT_URL: Final = "ws://127.0.0.1:5026/ws"
"""Where ``speechpipe up`` listens."""

Credential = str | Callable[[], str]
"""A function must answer at once: it is called between the messages of the session."""

_SAMPLE_BYTES: dict[RawFormat, int] = {"s16": 2, "f32": 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """Audio format and wishes of one session.

    Attributes:
        sample_rate: frames a second of what is sent, in Hz; the gateway resamples.
        channels: interleaved channels, 1 or more; the gateway mixes them down.
        format: ``s16`` (little-endian 16-bit integers) or ``f32`` (little-endian floats in [-1, 1]).
        source: spoken language, ISO 639-1, or ``auto``.
        targets: languages to translate into; empty for none.
        partials: whether captions are sent while somebody still speaks.
        silence_threshold_seconds: pause that ends an utterance; None for the gateway's own.
        prompt: text that the speech is about, for spelling of names.
        hotwords: words to expect.
        words: whether finals tell the times of their words; they come sooner without.
    """

    sample_rate: int = 16_000
    channels: int = 1
    format: RawFormat = "s16"
    source: str = "auto"
    targets: tuple[str, ...] = ()
    partials: bool = True
    silence_threshold_seconds: float | None = None
    prompt: str = ""
    hotwords: str = ""
    words: bool = True

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame: a sample of every channel."""
        return self.channels * _SAMPLE_BYTES[self.format]

    def languages(self) -> SetLangs:
        """The message that tells the gateway the languages."""
        return SetLangs(source_language=self.source, target_languages=self.targets)

    def start(self) -> Start:
        """The message that opens the session."""
        return Start(
            sample_rate=self.sample_rate,
            channels=self.channels,
            format=self.format,
            silence_threshold_seconds=self.silence_threshold_seconds,
            partials=self.partials,
            prompt=self.prompt,
            hotwords=self.hotwords,
            words=self.words,
        )


class Wishes(TypedDict, total=False):
    """Fields of ``SessionOptions`` that ``connect`` and its like take as keywords, besides the languages."""

    sample_rate: int
    channels: int
    format: RawFormat
    partials: bool
    silence_threshold_seconds: float | None
    prompt: str
    hotwords: str


def language_code(name: str) -> str:
    """Speechpipe's own code for a language, by which events name it: ``es`` for ``spa``, ``Spanish``, ``es-MX``.

    Raises:
        UnsupportedLanguage: no language goes by this code or name.
    """
    try:
        return resolve(name).code
    except UnknownLanguage as error:
        raise UnsupportedLanguage(str(error)) from error


def spoken_language(name: str) -> str:
    """The same for the language that is spoken, which may be ``auto``.

    Raises:
        UnsupportedLanguage: no language goes by this code or name, or it cannot be transcribed.
    """
    if name == "auto":
        return name
    code = language_code(name)
    if not resolve(code).whisper:
        raise UnsupportedLanguage(f"{resolve(code).name} ({code}) can be translated into, not transcribed")
    return code


def target_languages(names: str | Sequence[str]) -> tuple[str, ...]:
    """Codes of one language or several to translate into, each once.

    Raises:
        UnsupportedLanguage: no language goes by one of these codes or names.
    """
    several = (names,) if isinstance(names, str) else names
    return tuple(dict.fromkeys(map(language_code, several)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a session buffers and how long it waits; all sizes follow from seconds of audio.

    Attributes:
        unsent_seconds: audio that ``send`` takes before it waits for the network.
        retained_seconds: audio kept for a resume (not yet covered by ``audio_ack``) before ``send`` waits. More than
            the longest segment plus the slowest decoding, or a slow server would stall its client.
        pending_events: events kept for a caller who does not read them, overtaken partials not counted.
        handshake_seconds: from opening the socket to ``ready``.
        patience_seconds: trying to get a lost session back, or into a full gateway, before giving up.
        opening_seconds: the same for a session that was never open; None: as long as for one that was.
        ping_seconds: between pings, and the wait for a pong, so that a frozen gateway is noticed.
        keepalive_seconds: silence of the client before it says that it is still here.
    """

    unsent_seconds: float = 2.0
    retained_seconds: float = 300.0
    pending_events: int = 4096
    handshake_seconds: float = 10.0
    patience_seconds: float = 60.0
    opening_seconds: float | None = None
    ping_seconds: float = 5.0
    keepalive_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and as whom: with an API key, a token, or whatever a function answers at each connection."""

    urls: tuple[str, ...]
    api_key: Credential | None = field(default=None, repr=False)

    def headers(self) -> dict[str, str]:
        """HTTP headers of the upgrade request; the key never goes into the URL, where logs would keep it."""
        shown = self.api_key() if callable(self.api_key) else self.api_key
        return {"Authorization": f"Bearer {shown}"} if shown else {}
