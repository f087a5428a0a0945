"""Parameters of a request with a file, as a table."""

import pytest

from speechpipe_gateway.files.asking import Ask, read
from speechpipe_gateway.files.catalogue import Catalogue
from speechpipe_gateway.files.errors import ApiError

CATALOGUE = Catalogue(("whisper-1", "base"))
MODEL = ("model", "whisper-1")


@pytest.mark.parametrize(
    ("fields", "ask"),
    [
        ([], Ask("transcribe", "whisper-1")),
        (
            [("language", "de"), ("prompt", "Dashwood")],
            Ask("transcribe", "whisper-1", language="de", prompt="Dashwood"),
        ),
        (
            [("keywords[]", "Dashwood"), ("keywords[]", "Norland")],
            Ask("transcribe", "whisper-1", hotwords="Dashwood, Norland"),
        ),
        ([("response_format", "vtt"), ("temperature", "0.0")], Ask("transcribe", "whisper-1", form="vtt")),
        ([("stream", "true"), ("chunking_strategy", "auto")], Ask("transcribe", "whisper-1", stream=True)),
        (
            [("response_format", "verbose_json"), ("timestamp_granularities[]", "word")],
            Ask("transcribe", "whisper-1", form="verbose_json", words=True, segments=False),
        ),
        (
            [
                ("response_format", "verbose_json"),
                ("timestamp_granularities[]", "segment"),
                ("timestamp_granularities[]", "word"),
            ],
            Ask("transcribe", "whisper-1", form="verbose_json", words=True),
        ),
    ],
)
def test_what_is_asked_is_understood(fields: list[tuple[str, str]], ask: Ask):
    """Every parameter that is served means what OpenAI's reference says."""
    assert read("transcribe", [MODEL, *fields], CATALOGUE) == ask


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ([("language", "English")], "language", "ISO 639-1"),
        ([("language", "xx")], "language", "'xx'"),
        ([("temperature", "0.2")], "temperature", "only 0"),
        ([("temperature", "warm")], "temperature", "'warm'"),
        ([("response_format", "docx")], "response_format", "json, text, srt, vtt, verbose_json"),
        ([("response_format", "diarized_json")], "response_format", "'diarized_json'"),
        ([("response_format", "srt"), ("stream", "true")], "stream", "json or text"),
        ([("stream", "yes")], "stream", "true or false"),
        ([("timestamp_granularities[]", "word")], "timestamp_granularities", "verbose_json"),
        (
            [("response_format", "verbose_json"), ("timestamp_granularities[]", "letter")],
            "timestamp_granularities",
            "word or segment",
        ),
        ([("include[]", "logprobs")], "include", "'logprobs'"),
        ([("chunking_strategy", '{"type":"server_vad"}')], "chunking_strategy", "only auto"),
        ([("prompt", "x" * 1001)], "prompt", "1001 characters"),
        ([("keywords[]", "x" * 600)] * 2, "keywords", "1202 characters"),
        ([("languages[]", "en")], "languages", "unknown parameter"),
        ([("known_speaker_names[]", "me")], "known_speaker_names", "unknown parameter"),
        ([MODEL], "model", "twice"),
    ],
)
def test_what_is_not_served_is_refused_by_name(fields: list[tuple[str, str]], param: str, said: str):
    """A refusal names the parameter, and says what was wrong with it or what to say instead."""
    with pytest.raises(ApiError) as refused:
        read("transcribe", [MODEL, *fields], CATALOGUE)
    assert (refused.value.status, refused.value.param) == (400, param)
    assert said in refused.value.message
    assert refused.value.body["error"].keys() == {"message", "type", "param", "code"}


def test_models_are_those_of_the_settings():
    """No model, an unknown one, and one that is there: the answer says which there are."""
    with pytest.raises(ApiError) as missing:
        read("transcribe", [], CATALOGUE)
    assert (missing.value.status, missing.value.code) == (400, "missing_required_parameter")
    with pytest.raises(ApiError, match="whisper-1, base") as unknown:
        read("transcribe", [("model", "gpt-4o-transcribe")], CATALOGUE)
    assert (unknown.value.status, unknown.value.code) == (404, "model_not_found")
    assert read("transcribe", [("model", "base")], CATALOGUE).model == "base"
    assert [model["id"] for model in CATALOGUE.all()["data"]] == ["whisper-1", "base"]


@pytest.mark.parametrize("name", ["language", "stream", "timestamp_granularities[]"])
def test_a_translation_has_fewer_parameters(name: str):
    """Translations go into English, in one piece: what would say else is refused."""
    with pytest.raises(ApiError, match="unknown parameter"):
        read("translate", [MODEL, (name, "en")], CATALOGUE)
