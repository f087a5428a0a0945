"""The options of ``/v1/listen``: what a query asks for, or why not. Pure.

Names and values are those of Deepgram's reference of its streaming API. An option that only asks for what captions
here are anyway is taken; one that would change what a caption says or where it goes is refused by its name.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from speechpipe_common.languages import UnknownLanguage
from speechpipe_common.wire import SampleFormat, SetLangs
from speechpipe_gateway.choices import languages
from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.media import MediaError, PcmFormat
from speechpipe_gateway.session import Options

BAD_OPTION: Final = "bad_option"

SHORTEST_SILENCE_MS, LONGEST_SILENCE_MS = 200, 10_000
"""What a session can be asked for; shorter is taken as the shortest, since Deepgram's own default is 10 ms."""
LONGEST_GAP_MS: Final = 60_000
LONGEST_HINT: Final = 1_000
"""Characters; a session takes no longer hotwords."""

_RAW: Final[dict[str, SampleFormat]] = {"linear16": "s16", "linear32": "f32", "mulaw": "mulaw", "alaw": "alaw"}
_PACKED: Final[dict[str, SampleFormat]] = {"opus": "opus", "ogg-opus": "ogg"}
_OTHER_ENCODINGS: Final = ("flac", "amr-nb", "amr-wb", "speex", "g729")

_MODEL: Final = re.compile(r"(nova(-[23])?|enhanced|base|whisper)(-[a-z0-9]+)*|general|meeting|phonecall|finance|video")
"""Names of models that transcribe in general; which one answers is the pipeline's to say, not the client's."""

_HINTS: Final = frozenset(
    {"punctuate", "smart_format", "filler_words", "numerals", "no_delay", "mip_opt_out", "utterances", "paragraphs"}
)
"""True or false, captions are the same: written as Whisper writes, and kept by nobody."""

_SILENT: Final = frozenset({"extra", "tag", "language_hint", "tier", "version"})
"""Whatever they say, captions are the same."""

_MUST_BE_FALSE: Final[dict[str, str]] = {
    "diarize": "speakers are not told apart",
    "multichannel": "channels are mixed; open a connection for each",
    "profanity_filter": "captions are not censored",
    "dictation": "spoken punctuation stays as it was said",
    "measurements": "units stay as they were said",
    "detect_entities": "entities are not looked for",
    "ner": "entities are not looked for",
    "sentiment": "sentiments are not looked for",
    "intents": "intents are not looked for",
    "topics": "topics are not looked for",
    "summarize": "nothing is summarised",
}

_REFUSED: Final[dict[str, str]] = {
    "callback": "captions go to who sends the audio, over the same connection",
    "callback_method": "captions go to who sends the audio, over the same connection",
    "redact": "captions say everything that was said",
    "search": "nothing is searched for; look through the captions",
    "replace": "nothing is replaced; do it in the captions",
    "diarize_model": "speakers are not told apart",
    "diarize_version": "speakers are not told apart",
    "token": "a key in an address stands in logs; send Authorization: Token KEY, or the subprotocols token, KEY",
}

_SEVERAL: Final = frozenset({"keyterm", "keywords"}) | _SILENT


@dataclass(frozen=True, slots=True)
class Listen:
    """What one connection asks for."""

    format: SampleFormat | None = None
    """None: a container, told by its first bytes; ``opus`` may be one as well."""
    sample_rate: int = 16_000
    channels: int = 1
    language: str | None = None
    """None: the gateway's own; ``auto`` detects."""
    interim_results: bool = False
    silence_seconds: float | None = None
    endpointing: bool = True
    utterance_end_seconds: float | None = None
    vad_events: bool = False
    hotwords: str = ""

    @property
    def samples(self) -> PcmFormat | None:
        """Of bare samples, what they are.

        Raises:
            MediaError: such samples are not taken.
        """
        match self.format:
            case "s16" | "f32" | "mulaw" | "alaw" as encoding:
                return PcmFormat(self.sample_rate, self.channels, encoding)
        return None


@dataclass(slots=True)
class _Given:
    """Values that were read so far."""

    values: dict[str, Any] = field(default_factory=dict)
    hotwords: list[str] = field(default_factory=list)


def parse(query: Sequence[tuple[str, str]]) -> Listen:
    """What the query of an address asks for.

    Raises:
        ProtocolError: ``bad_option``, with the option's name.
    """
    given, seen = _Given(), set()
    for name, value in query:
        if name in seen and name not in _SEVERAL:
            raise _bad(f"{name} is there more than once; say it once")
        seen.add(name)
        _read(name, value, given)
    hotwords = ", ".join(given.hotwords)
    if len(hotwords) > LONGEST_HINT:
        raise _bad(f"keyterm and keywords have {len(hotwords)} characters together; say at most {LONGEST_HINT}")
    listen = Listen(**given.values, hotwords=hotwords)
    _check_audio(listen, seen)
    return listen


def _read(name: str, value: str, given: _Given) -> None:
    reader = _READERS.get(name)
    if reader is not None:
        given.values |= reader(name, value)
    elif name in ("keyterm", "keywords"):
        given.hotwords.append(_hotword(name, value))
    elif name in _HINTS:
        _flag(name, value)
    elif name in _MUST_BE_FALSE:
        if _flag(name, value):
            raise _bad(f"{name}=true is not supported: {_MUST_BE_FALSE[name]}; leave it out")
    elif name in _REFUSED:
        raise _bad(f"{name} is not supported: {_REFUSED[name]}")
    elif name not in _SILENT:
        raise _bad(f"{name[:40]!r} is no option of /v1/listen that is known here; leave it out, or mend its name")


def _flag(name: str, value: str) -> bool:
    lower = value.lower()
    if lower not in ("true", "false"):
        raise _bad(f"{name} is {value[:40]!r}; say true or false")
    return lower == "true"


def _number(name: str, value: str, least: int, most: int) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
        raise _bad(f"{name} is {value[:40]!r}; say a whole number from {least} to {most}")
    return int(value)


def _model(name: str, value: str) -> Mapping[str, Any]:
    if not _MODEL.fullmatch(value.lower()):
        hint = "flux models speak /v2/listen, which is not spoken here; " if value.startswith("flux") else ""
        raise _bad(f"{name} {value[:40]!r} is not known; {hint}say nova-3, or leave it out: the pipeline has one model")
    return {}


def _language(name: str, value: str) -> Mapping[str, Any]:
    try:
        chosen = "auto" if value == "multi" else value
        languages(SetLangs(source_language=chosen), Options())
    except UnknownLanguage as error:
        raise _bad(f"{name}: {error}") from error
    except ProtocolError as error:
        raise _bad(f"{name}: {error.message}") from error
    return {"language": chosen}


def _detect_language(name: str, value: str) -> Mapping[str, Any]:
    return {"language": "auto"} if _flag(name, value) else {}


def _encoding(name: str, value: str) -> Mapping[str, Any]:
    format_ = {**_RAW, **_PACKED}.get(value.lower())
    if format_ is None:
        known = ", ".join([*_RAW, *_PACKED])
        lead = f"{value} is not decoded here" if value in _OTHER_ENCODINGS else f"{name} {value[:40]!r} is not known"
        raise _bad(f"{lead}; say one of {known}, or send WebM, Ogg Opus or WAV without it")
    return {"format": format_}


def _endpointing(name: str, value: str) -> Mapping[str, Any]:
    if value.lower() in ("true", "false"):
        return {"endpointing": value.lower() == "true"}
    wanted = _number(name, value, 0, LONGEST_SILENCE_MS)
    return {"silence_seconds": max(wanted, SHORTEST_SILENCE_MS) / 1_000}


def _utterance_end(name: str, value: str) -> Mapping[str, Any]:
    if value.lower() == "false":
        return {}
    return {"utterance_end_seconds": _number(name, value, 1, LONGEST_GAP_MS) / 1_000}


def _alternatives(name: str, value: str) -> Mapping[str, Any]:
    _number(name, value, 1, 1)
    return {}


_READERS: Final[dict[str, Callable[[str, str], Mapping[str, Any]]]] = {
    "model": _model,
    "language": _language,
    "detect_language": _detect_language,
    "encoding": _encoding,
    "sample_rate": lambda name, value: {"sample_rate": _number(name, value, 1, 1_000_000)},
    "channels": lambda name, value: {"channels": _number(name, value, 1, 1_000)},
    "interim_results": lambda name, value: {"interim_results": _flag(name, value)},
    "endpointing": _endpointing,
    "utterance_end_ms": _utterance_end,
    "vad_events": lambda name, value: {"vad_events": _flag(name, value)},
    "alternatives": _alternatives,
}


def _hotword(name: str, value: str) -> str:
    """``keywords`` may end in ``:INTENSIFIER``, which is not weighed here; a word cannot be made less likely."""
    word, _, boost = value.rpartition(":") if name == "keywords" else ("", "", "")
    if not word:
        return value
    try:
        if float(boost) < 0:
            raise _bad(f"keywords {value[:40]!r}: words cannot be suppressed; leave it out")
    except ValueError:
        return value
    return word


def _check_audio(listen: Listen, seen: set[str]) -> None:
    try:
        samples = listen.samples
    except MediaError as error:
        raise _bad(error.message) from error
    if samples is not None and "sample_rate" not in seen:
        raise _bad("encoding of samples needs sample_rate; say both, or send WebM, Ogg Opus or WAV and say neither")


def _bad(message: str) -> ProtocolError:
    return ProtocolError(BAD_OPTION, message)
