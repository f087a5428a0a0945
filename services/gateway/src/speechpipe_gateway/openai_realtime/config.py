"""A session's configuration: what is in force, and how an update changes it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from msgspec import UNSET

from speechpipe_common.languages import UnknownLanguage, resolve
from speechpipe_common.wire import SetLangs, Start
from speechpipe_gateway.live.factory import LONGEST_HINT, LONGEST_SILENCE, SHORTEST_SILENCE
from speechpipe_gateway.openai_realtime.client_events import (
    BetaSession,
    Format,
    Input,
    Session,
    Transcription,
    TurnDetection,
)
from speechpipe_gateway.openai_realtime.encodings import ENCODINGS, Encoding
from speechpipe_gateway.openai_realtime.errors import Refused, wrong

MODELS: Final = (
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
)
"""Names that clients of the protocol use; each means the model that the pipeline's workers have loaded."""

LOGPROBS: Final = "item.input_audio_transcription.logprobs"

SILENCE_MS: Final = 500
"""The protocol's own default."""


GA_NAMES: Final = {
    "format": "session.audio.input.format",
    "transcription": "session.audio.input.transcription",
    "turn_detection": "session.audio.input.turn_detection",
}
BETA_NAMES: Final = {
    "format": "session.input_audio_format",
    "transcription": "session.input_audio_transcription",
    "turn_detection": "session.turn_detection",
}


@dataclass(frozen=True, slots=True)
class Config:
    """What is in force.

    Attributes:
        encoding: of the audio.
        model: the name by which it was asked for.
        language: code of what is spoken; None: the gateway's default.
        prompt: text that comes before.
        keywords: words to expect.
        silence_ms: pause that ends an item; None: only ``commit`` does.
        logprobs: transcripts come with the probabilities of their words.
    """

    encoding: Encoding = ENCODINGS[0]
    model: str = MODELS[0]
    language: str | None = None
    prompt: str = ""
    keywords: tuple[str, ...] = ()
    silence_ms: int | None = SILENCE_MS
    logprobs: bool = False

    @property
    def start(self) -> Start:
        """How a session begins with it; a long pause of a client that commits by itself ends nothing that it sees."""
        return Start(
            sample_rate=self.encoding.rate,
            format=self.encoding.native,
            silence_threshold_seconds=LONGEST_SILENCE if self.silence_ms is None else self.silence_ms / 1_000,
            prompt=self.prompt,
            hotwords=", ".join(self.keywords),
        )

    @property
    def langs(self) -> SetLangs:
        """The language, for a session."""
        return SetLangs(source_language=self.language or "auto")


def updated(config: Config, session: Session | BetaSession, models: Iterable[str]) -> Config:
    """The configuration after an update.

    Raises:
        Refused: something in it is not served; nothing of it counts then.
    """
    names = BETA_NAMES if isinstance(session, BetaSession) else GA_NAMES
    if session.include is not UNSET:
        config = replace(config, logprobs=_include(session.include or ()))
    change = _input(session)
    if change.format is not UNSET:
        config = replace(config, encoding=_encoding(change.format, names))
    if change.transcription is None:
        raise wrong(names["transcription"], "a transcription session cannot do without transcription; leave null out")
    if change.transcription is not UNSET:
        config = _transcription(config, change.transcription, names["transcription"], tuple(models))
    if change.turn_detection is None:
        return replace(config, silence_ms=None)
    if change.turn_detection is not UNSET:
        config = replace(config, silence_ms=_silence(change.turn_detection, names["turn_detection"]))
    return config


def check_same_audio(old: Config, new: Config, names: Mapping[str, str]) -> None:
    """Once there is audio, only model and language may change.

    Raises:
        Refused: something else did.
    """
    for param, same in (
        (names["format"], old.encoding == new.encoding),
        (names["turn_detection"], old.silence_ms == new.silence_ms),
        (names["transcription"] + ".prompt", old.prompt == new.prompt),
        (names["transcription"] + ".keywords", old.keywords == new.keywords),
    ):
        if not same:
            text = f"{param} cannot change after the first audio; open a new session for that"
            raise Refused("cannot_update_after_audio", text, param)


def check_model(model: str, models: tuple[str, ...], param: str) -> str:
    """The name, if it is known.

    Raises:
        Refused: it is not; says what there is.
    """
    if model in models:
        return model
    text = f"the model {model[:100]!r} does not exist here; ask for one of: {', '.join(models)}"
    raise Refused("model_not_found", text, param)


def _input(session: Session | BetaSession) -> Input:
    if isinstance(session, Session):
        if session.type != "transcription":
            text = f"session.type is {session.type[:40]!r}; only transcription sessions are served here"
            raise wrong("session.type", text)
        return session.audio.input
    named = session.input_audio_format
    return Input(
        format=UNSET if named is UNSET else Format(type=named),
        transcription=session.input_audio_transcription,
        turn_detection=session.turn_detection,
        noise_reduction=session.input_audio_noise_reduction,
    )


def _include(asked: tuple[str, ...]) -> bool:
    for name in asked:
        if name != LOGPROBS:
            raise wrong("session.include", f"{name[:60]!r} is not served here; say {LOGPROBS}, or leave include out")
    return bool(asked)


def _encoding(asked: Format, names: Mapping[str, str]) -> Encoding:
    param, beta = names["format"], names is BETA_NAMES
    known = {encoding.beta if beta else encoding.name: encoding for encoding in ENCODINGS}
    encoding = known.get(asked.type)
    if encoding is None:
        place = param if beta else f"{param}.type"
        raise wrong(place, f"the audio format {asked.type[:40]!r} is not served; say one of: {', '.join(known)}")
    if asked.rate not in (None, encoding.rate):
        text = f"the rate of {encoding.name} is {asked.rate}; it is always {encoding.rate} in this protocol"
        raise wrong(f"{param}.rate", text)
    return encoding


def _transcription(config: Config, asked: Transcription, param: str, models: tuple[str, ...]) -> Config:
    if asked.delay is not None:
        raise wrong(f"{param}.delay", "delay is not served here; leave it out")
    if asked.languages:
        raise wrong(f"{param}.languages", "a choice of languages is not served here; say language, or leave it out")
    if asked.model is not UNSET and asked.model is not None:
        config = replace(config, model=check_model(asked.model, models, f"{param}.model"))
    if asked.language is not UNSET:
        config = replace(config, language=_language(asked.language or None, f"{param}.language"))
    if asked.prompt is not UNSET:
        config = replace(config, prompt=asked.prompt or "")
    if asked.keywords is not UNSET:
        config = replace(config, keywords=asked.keywords or ())
    for name, hint in (("prompt", config.prompt), ("keywords", config.start.hotwords)):
        if len(hint) > LONGEST_HINT:
            raise wrong(f"{param}.{name}", f"{name} has {len(hint)} characters; say at most {LONGEST_HINT}")
    return config


def _language(asked: str | None, param: str) -> str | None:
    if asked is None:
        return None
    try:
        language = resolve(asked)
    except UnknownLanguage as error:
        raise wrong(param, str(error)) from error
    if not language.whisper:
        raise wrong(param, f"{language.name} ({language.code}) can be translated into, not transcribed")
    return language.code


def _silence(asked: TurnDetection, param: str) -> int:
    if asked.type != "server_vad":
        text = f"turn detection {asked.type[:40]!r} is not served; say server_vad, or null to commit yourself"
        raise wrong(f"{param}.type", text)
    if asked.idle_timeout_ms is not None:
        raise wrong(
            f"{param}.idle_timeout_ms", "idle_timeout_ms is for sessions in which a model answers; leave it out"
        )
    if asked.threshold is not None and not 0 <= asked.threshold <= 1:
        raise wrong(f"{param}.threshold", f"threshold is {asked.threshold}; say a number from 0 to 1, or leave it out")
    if asked.prefix_padding_ms is not None and asked.prefix_padding_ms < 0:
        raise wrong(f"{param}.prefix_padding_ms", f"prefix_padding_ms is {asked.prefix_padding_ms}; say 0 or more")
    silence = SILENCE_MS if asked.silence_duration_ms is None else asked.silence_duration_ms
    least, most = round(SHORTEST_SILENCE * 1_000), round(LONGEST_SILENCE * 1_000)
    if not least <= silence <= most:
        text = f"silence_duration_ms is {silence}; say a number from {least} to {most}"
        raise wrong(f"{param}.silence_duration_ms", text)
    return silence
