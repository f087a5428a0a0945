"""Joins the texts of segments that were cut out of one utterance.

Whisper shows that it heard a sentence break off with dots or a dash; at a cut the break is ours, not the speaker's.
"""

import re
from typing import Final

_BROKEN_OFF: Final = re.compile(r"\s*(?:\.{2,}|…|-{1,2}|\u2013|\u2014)\s*$")
_TAKEN_UP: Final = re.compile(r"^\s*(?:\.{2,}|…|-{1,2}|\u2013|\u2014)\s*")


def stitch(text: str, *, follows: bool, continues: bool) -> str:
    """A final's text without the marks of a cut.

    Args:
        text: as decoded.
        follows: the segment begins at a cut.
        continues: the segment ends at a cut.
    """
    if follows:
        text = _TAKEN_UP.sub("", text)
    if continues:
        text = _BROKEN_OFF.sub("", text)
    return text
