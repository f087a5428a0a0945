"""Apertium's stream format, without Apertium."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_translate.engines.apertium_stream import NotAnAnswer, decode, encode
from speechpipe_translate.translator import clean


@given(st.text().map(clean).filter(bool))
def test_what_is_encoded_decodes_to_itself(text: str) -> None:
    """A pipe that changed nothing would give back each text as it was, whatever characters it has."""
    encoded = encode(text, 7)
    assert encoded.count(b"\0") == 1
    assert decode(encoded[:-1], text, 7).replace(" ", "") == text.replace(" ", "").replace("\u223c", "~")


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("hello", rb"hello.[7]"),
        ("Hello.", rb"Hello.[7]"),
        ("why?", rb"why?[7]"),
        ("a [b] ^c$ {d} @e f/g <h> \\i", rb"a \[b\] \^c\$ \{d\} \@e f\/g \<h\> \\i.[7]"),
        ("~5 *", "\u223c5 *.[7]".encode()),
    ],
)
def test_special_characters_are_escaped(text: str, encoded: bytes) -> None:
    """What means something to Apertium is escaped, and each text ends as a sentence with a blank to flush it."""
    assert encode(text, 7) == encoded + b"\0"


@pytest.mark.parametrize("raw", [b"", b"hola", b"hola.[6]", rb"hola \[7\].[6]", rb"\[7\]"])
def test_an_answer_to_nothing_is_recognised(raw: bytes) -> None:
    """What comes out without the mark that went in is not taken for a translation, even if the text looks like one."""
    with pytest.raises(NotAnAnswer):
        decode(raw, "hello", 7)
