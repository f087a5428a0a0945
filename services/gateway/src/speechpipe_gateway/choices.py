"""What a client chooses: languages and hints, checked."""

from dataclasses import replace
from typing import Final

from speechpipe_common.languages import resolve
from speechpipe_common.wire import SetLangs, Start
from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.session import Options

MAX_TARGETS: Final = 8


def with_hints(options: Options, start: Start) -> Options:
    """Languages said before ``start``, with the hints of ``start``."""
    return Options(options.source, options.targets, start.prompt, start.hotwords, start.words)


def languages(request: SetLangs, before: Options) -> Options:
    """The options that ``set_langs`` asks for.

    Raises:
        UnknownLanguage: a code is not known.
        ProtocolError: Whisper does not hear the source language, or there are too many targets.
    """
    source = None
    if request.source_language != "auto":
        language = resolve(request.source_language)
        if not language.whisper:
            raise ProtocolError(
                "unknown_language", f"{language.name} ({language.code}) can be translated into, not transcribed"
            )
        source = language.code
    wanted = [*([request.target_language] if request.target_language else []), *request.target_languages]
    if len(wanted) > MAX_TARGETS:
        raise ProtocolError("bad_message", f"{len(wanted)} target languages; say at most {MAX_TARGETS}")
    targets = tuple(dict.fromkeys(resolve(name).code for name in wanted))
    return replace(before, source=source, targets=targets)
