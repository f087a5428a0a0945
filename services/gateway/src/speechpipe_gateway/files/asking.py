"""The parameters of a request for a transcript, checked. Pure: form fields in, an :class:`Ask` or a refusal out."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from speechpipe_common.languages import UnknownLanguage, resolve
from speechpipe_gateway.files.catalogue import Catalogue
from speechpipe_gateway.files.errors import ApiError
from speechpipe_gateway.live.factory import LONGEST_HINT

Form = Literal["json", "text", "srt", "vtt", "verbose_json"]
Task = Literal["transcribe", "translate"]

FORMS: Final[tuple[str, ...]] = get_args(Form)
STREAMED: Final = ("json", "text")
UNTIMED: Final = ("json", "text")
GRANULARITIES: Final = ("word", "segment")

_LISTS: Final = ("timestamp_granularities", "include", "keywords")
_COMMON: Final = ("model", "prompt", "response_format", "temperature")
_KNOWN: Final[Mapping[Task, frozenset[str]]] = {
    "transcribe": frozenset({*_COMMON, *_LISTS, "language", "stream", "chunking_strategy"}),
    "translate": frozenset(_COMMON),
}
_CODE: Final = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client wants of its file."""

    task: Task
    model: str
    language: str | None = None
    """Whisper's code of what is spoken; None to detect it."""
    prompt: str = ""
    hotwords: str = ""
    form: Form = "json"
    words: bool = False
    """``verbose_json`` holds words."""
    segments: bool = True
    """``verbose_json`` holds segments."""
    stream: bool = False

    @property
    def timed(self) -> bool:
        """Whether the times of words show in the answer."""
        return self.form not in UNTIMED


def read(task: Task, fields: Iterable[tuple[str, str]], catalogue: Catalogue) -> Ask:
    """What the fields of a form ask for.

    Args:
        task: whose endpoint was called.
        fields: names and values in their order, without the file.
        catalogue: of model names.

    Raises:
        ApiError: a parameter is missing, unknown, said twice, or has a value that is not taken.
    """
    single, many = _sort(task, fields)
    model = single.get("model")
    if not model:
        raise ApiError(400, "you must provide a model parameter", code="missing_required_parameter", param="model")
    form = _form(single.get("response_format", "json"))
    stream = _flag(single.get("stream", "false"))
    if stream and form not in STREAMED:
        raise _wrong("stream", f"stream=true goes with response_format {' or '.join(STREAMED)}, not {form}")
    _check_temperature(single.get("temperature", "0"))
    _check_extras(single.get("chunking_strategy", "auto"), many["include"])
    granularities = _granularities(many["timestamp_granularities"], form)
    return Ask(
        task=task,
        model=catalogue.check(model),
        language=_language(single.get("language")),
        prompt=_hint("prompt", single.get("prompt", "")),
        hotwords=_hint("keywords", ", ".join(many["keywords"])),
        form=form,
        words="word" in granularities,
        segments="segment" in granularities,
        stream=stream,
    )


def _sort(task: Task, fields: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, list[str]]]:
    single: dict[str, str] = {}
    many: dict[str, list[str]] = {name: [] for name in _LISTS}
    for raw, value in fields:
        name = raw.removesuffix("[]")
        if name not in _KNOWN[task]:
            raise ApiError(
                400, f"unknown parameter: {name[:100]!r}; leave it out", code="unknown_parameter", param=name[:100]
            )
        if name in many:
            many[name].append(value)
        elif name in single:
            raise _wrong(name, f"{name} was sent twice; send it once")
        else:
            single[name] = value
    return single, many


def _form(value: str) -> Form:
    if value not in FORMS:
        raise _wrong("response_format", f"response_format is {value[:40]!r}; say one of {', '.join(FORMS)}")
    return cast(Form, value)


def _flag(value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise _wrong("stream", f"stream is {value[:40]!r}; say true or false")
    return value.lower() == "true"


def _check_temperature(value: str) -> None:
    try:
        zero = float(value) == 0
    except ValueError:
        zero = False
    if not zero:
        raise _wrong("temperature", f"temperature is {value[:40]!r}; only 0 is served here: leave it out")


def _check_extras(chunking: str, include: list[str]) -> None:
    if chunking != "auto":
        raise _wrong(
            "chunking_strategy", f"chunking_strategy is {chunking[:60]!r}; only auto is served here: leave it out"
        )
    if include:
        raise _wrong("include", f"include[] names {include[0][:40]!r}, which is not served here: leave it out")


def _granularities(values: list[str], form: Form) -> tuple[str, ...]:
    if not values:
        return ("segment",)
    if form != "verbose_json":
        raise _wrong(
            "timestamp_granularities", f"timestamp_granularities[] goes with response_format verbose_json, not {form}"
        )
    for value in values:
        if value not in GRANULARITIES:
            raise _wrong(
                "timestamp_granularities",
                f"timestamp_granularities[] is {value[:40]!r}; say {' or '.join(GRANULARITIES)}",
            )
    return tuple(values)


def _language(value: str | None) -> str | None:
    if value is None:
        return None
    hint = "say a code of ISO 639-1 such as en, or leave it out to have it detected"
    if not _CODE.fullmatch(value):
        raise _wrong("language", f"language is {value[:40]!r}; {hint}")
    try:
        language = resolve(value)
    except UnknownLanguage as error:
        raise _wrong("language", f"language is {value!r}, which is none; {hint}") from error
    if not language.whisper:
        raise _wrong("language", f"{language.name} ({value}) can be translated into, not transcribed; {hint}")
    return language.code


def _hint(name: str, value: str) -> str:
    if len(value) > LONGEST_HINT:
        raise _wrong(name, f"{name} has {len(value)} characters; say at most {LONGEST_HINT}")
    return value


def _wrong(param: str, message: str) -> ApiError:
    return ApiError(400, message, code="invalid_value", param=param)
