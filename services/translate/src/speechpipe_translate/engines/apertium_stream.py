r"""Apertium's stream format: plain text in and out of it.

The format gives ``[ ] { } ^ $ / \ @ < >`` a meaning (https://wiki.apertium.org/wiki/Apertium_stream_format), so they
are escaped; what stands unescaped in brackets is formatting (a superblank), which programs hand on untouched. A tilde
asks the post-generator for attention and is lost even when escaped (seen with lttoolbox 3.7.1), so a twin stands in.
"""

import re
from typing import Final

FLUSH: Final = b"\0"
"""Ends a text; every program of the pipe then passes on all it holds."""

_SPECIAL: Final = re.compile(r"[\[\]{}^$/\\@<>]")
_ESCAPED_OR_BLANK: Final = re.compile(r"\\(.)|\[[^\]\\]*\]", re.DOTALL)
_ENDED: Final = (".", "!", "?", "…", ":", ";")
_STOP: Final = "."
_TILDE, _TILDE_TWIN = "~", "\N{TILDE OPERATOR}"


class NotAnAnswer(ValueError):
    """A pipe printed something, but not the answer to this text."""


def encode(text: str, mark: int) -> bytes:
    """Escape ``text`` and end it with a superblank that holds ``mark``.

    The superblank flushes a last word, which would else wait for more letters, and makes the answer known: a program
    that dies lets the rest of the chain print empty texts (seen), which must not pass for translations.

    A text without closing punctuation gets a full stop before that, as Apertium's own deformatter does, so that the
    tagger sees a whole sentence; ``decode`` takes it off again.
    """
    stop = "" if text.endswith(_ENDED) else _STOP
    escaped = _SPECIAL.sub(r"\\\g<0>", text.replace(_TILDE, _TILDE_TWIN))
    return f"{escaped}{stop}[{mark}]".encode() + FLUSH


def decode(raw: bytes, source: str, mark: int) -> str:
    """The translation that a pipe printed for ``source``, without its flush byte; spaces become single.

    Raises:
        NotAnAnswer: the mark that went in with the text has not come out.
    """
    stream = raw.decode(errors="replace")
    if f"[{mark}]" not in stream:
        raise NotAnAnswer(f"no mark {mark} in an answer of {len(raw)} bytes")
    text = _ESCAPED_OR_BLANK.sub(lambda found: found[1] or "", stream)
    text = " ".join(text.replace(_TILDE_TWIN, _TILDE).split())
    return text if source.endswith(_ENDED) else text.removesuffix(_STOP).rstrip()
