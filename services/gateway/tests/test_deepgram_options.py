"""The query of ``/v1/listen``: what is taken, and what is refused by its name."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_gateway.deepgram.options import Listen, parse
from speechpipe_gateway.dialect import ProtocolError


def read(query: str) -> Listen:
    """A query as in an address."""
    return parse([tuple(pair.split("=", 1)) for pair in query.split("&") if pair])  # type: ignore[misc]


REFUSED = {
    "model=whisper-9000!": "model 'whisper-9000!' is not known",
    "model=flux-general-en": "flux models speak /v2/listen",
    "model=": "model '' is not known",
    "language=klingon": "language: unknown language 'klingon'",
    "language=en&language=es": "language is there more than once",
    "encoding=flac": "flac is not decoded here; say one of linear16, linear32, mulaw, alaw, opus, ogg-opus",
    "encoding=g729": "g729 is not decoded here",
    "encoding=mp3": "encoding 'mp3' is not known",
    "encoding=linear16": "encoding of samples needs sample_rate",
    "encoding=linear16&sample_rate=4000": "the sample rate is 4000 Hz; send audio between 8000",
    "encoding=linear16&sample_rate=16k": "sample_rate is '16k'; say a whole number",
    "encoding=linear16&sample_rate=16000&channels=99": "the audio has 99 channels",
    "channels=0": "channels is '0'; say a whole number from 1",
    "interim_results=yes": "interim_results is 'yes'; say true or false",
    "endpointing=soon": "endpointing is 'soon'; say a whole number from 0 to 10000",
    "endpointing=20000": "endpointing is '20000'",
    "endpointing=-5": "endpointing is '-5'",
    "utterance_end_ms=1e3": "utterance_end_ms is '1e3'",
    "vad_events=1": "vad_events is '1'",
    "diarize=true": "diarize=true is not supported: speakers are not told apart",
    "diarize_model=latest": "diarize_model is not supported",
    "multichannel=true": "multichannel=true is not supported: channels are mixed",
    "redact=pci": "redact is not supported: captions say everything",
    "redact=false": "redact is not supported",
    "search=word": "search is not supported",
    "replace=a:b": "replace is not supported",
    "callback=https://x": "callback is not supported: captions go to who sends",
    "profanity_filter=true": "profanity_filter=true is not supported",
    "dictation=true": "dictation=true is not supported",
    "detect_entities=true": "detect_entities=true is not supported",
    "alternatives=3": "alternatives is '3'; say a whole number from 1 to 1",
    "keywords=word:-2": "words cannot be suppressed",
    "keyterm=" + "x" * 1_001: "keyterm and keywords have 1001 characters",
    "punctuate=please": "punctuate is 'please'",
    "token=KEY": "a key in an address stands in logs",
    "interim_result=true": "'interim_result' is no option of /v1/listen",
}


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_not_supported_is_refused_by_name(query: str) -> None:
    """In a sentence that says which option, which value, and what to do."""
    with pytest.raises(ProtocolError) as caught:
        read(query)
    assert REFUSED[query] in caught.value.message
    assert caught.value.code == "bad_option"
    assert caught.value.close == 4400


@pytest.mark.parametrize(
    "query",
    [
        "model=nova-3",
        "model=nova-2-meeting",
        "model=whisper-large",
        "model=general",
        "model=base&tier=base&version=latest",
        "punctuate=true&smart_format=false&filler_words=true&numerals=true&no_delay=true&mip_opt_out=false",
        "diarize=false&multichannel=false&profanity_filter=false&detect_entities=false",
        "extra=a:b&extra=c:d&tag=one&tag=two",
        "language_hint=en&language_hint=es",
        "alternatives=1",
        "utterance_end_ms=false",
        "endpointing=true",
        "interim_results=True",
    ],
)
def test_what_changes_nothing_is_taken(query: str) -> None:
    """Options that ask for what captions are anyway, or that nobody here looks at."""
    assert read(query).format is None


def test_what_is_asked_for() -> None:
    """Every option that means something, at once."""
    query = (
        "encoding=mulaw&sample_rate=8000&channels=2&language=es&interim_results=true&endpointing=300"
        "&utterance_end_ms=1200&vad_events=true&keyterm=a&keywords=b:1"
    )
    assert read(query) == Listen(
        format="mulaw",
        sample_rate=8_000,
        channels=2,
        language="es",
        interim_results=True,
        silence_seconds=0.3,
        utterance_end_seconds=1.2,
        vad_events=True,
        hotwords="a, b",
    )


NAMES = ("model", "language", "encoding", "sample_rate", "endpointing", "keywords", "tag", "diarize", "redact")


@given(st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text()), st.text()), max_size=5))
def test_any_query_is_taken_or_refused(query: list[tuple[str, str]]) -> None:
    """Rubbish never raises anything else."""
    with suppress(ProtocolError):
        assert isinstance(parse(query), Listen)
