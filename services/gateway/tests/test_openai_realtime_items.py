"""The OpenAI Realtime protocol as tables of messages: items, and transcripts that only grow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from realtime_world import (
    Client,
    deltas,
    final,
    lost,
    names,
    partial,
    started,
)

from speechpipe_common.wire import Flush, Start
from speechpipe_gateway.dialect import Audio
from speechpipe_gateway.openai_realtime.transcript import remainder

END_OF_ITEM = ["speech_stopped", "committed", "item.added"]


def manual() -> Client:
    """A client that commits by itself, after a second of audio."""
    client = Client()
    client.update(turn_detection=None)
    client.append()
    return client


def test_a_turn_is_an_item() -> None:
    """Onset, growing words, and at the end everything that clients wait for, in the protocol's order."""
    client = Client()
    client.append()
    begun = client.hear(started(8_000, offset=12_000))
    assert (begun[0]["type"], begun[0]["audio_start_ms"]) == ("input_audio_buffer.speech_started", 500)
    item = begun[0]["item_id"]
    assert client.hear(partial(8_000, "", "and it")) == []
    assert deltas(client.hear(partial(8_000, "and it", " is"))) == "and it"
    assert deltas(client.hear(partial(8_000, "and it is", " worth mention"))) == " is"
    done = client.hear(final(8_000, "and it is worth mentioning.", 48_000))
    assert names(done) == [*END_OF_ITEM, "~delta", "~completed", "item.done"]
    stopped, committed, added, delta, completed, whole = done
    assert (stopped["audio_end_ms"], delta["delta"]) == (3_000, " worth mentioning.")
    assert committed["previous_item_id"] is None
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert completed["transcript"] == whole["item"]["content"][0]["transcript"] == "and it is worth mentioning."
    assert completed["usage"] == {"type": "duration", "seconds": 2.5}
    assert completed["content_index"] == delta["content_index"] == 0
    ids = {event.get("item_id") or event["item"]["id"] for event in done}
    assert ids == {item}
    assert deltas(client.events) == completed["transcript"]


def test_items_know_the_one_before() -> None:
    """``previous_item_id`` links them in the order in which they were committed; no event id comes twice."""
    client = Client()
    client.append()
    for start in (0, 50_000, 90_000):
        client.hear(started(start))
        client.hear(final(start, "Yes.", start + 16_000))
    committed = [event for event in client.events if event["type"].endswith(".committed")]
    assert [event["previous_item_id"] for event in committed] == [None, *(e["item_id"] for e in committed[:-1])]
    assert len({event["event_id"] for event in client.events}) == len(client.events)


def test_a_long_turn_is_one_item() -> None:
    """Segments that were cut because they grew too long are joined; none is told before those in front of it."""
    client = Client()
    client.append()
    client.hear(started(0))
    assert deltas(client.hear(partial(0, "It was the best"))) == "It was the best"
    assert client.hear(partial(160_000, "of times")) == []
    assert client.hear(final(160_000, "of times", 320_000, continues=True)) == []
    said = client.hear(final(0, "It was the best", 160_000, continues=True))
    assert (names(said), deltas(said)) == (["~delta"], " of times")
    assert deltas(client.hear(partial(320_000, "it was"))) == " it was"
    done = client.hear(final(320_000, "it was the worst.", 400_000))
    assert done[-2]["transcript"] == "It was the best of times it was the worst." == deltas(client.events)
    assert done[-2]["usage"]["seconds"] == 25


def test_a_revised_part_is_told_once() -> None:
    """What a final said otherwise than its partials did is not said again with the parts after it."""
    client = Client()
    client.append()
    client.hear(started(0))
    client.hear(partial(0, "ice cream ice cream"))
    client.hear(final(0, "I scream: ice cream!", 160_000, continues=True))
    told = deltas(client.events)
    assert client.hear(partial(160_000, "", "for")) == []
    assert deltas(client.hear(partial(160_000, "for all"))) == " for all"
    assert deltas(client.events) == told + " for all"


def test_unspaced_languages_are_joined_without_spaces() -> None:
    """Chinese segments follow each other as characters do."""
    client = Client()
    client.append()
    client.hear(started(0))
    client.hear(final(0, "今天天气", 160_000, continues=True, language="zh"))
    done = client.hear(final(160_000, "很好。", 200_000, language="zh"))
    assert done[-2]["transcript"] == "今天天气很好。" == deltas(client.events)


@pytest.mark.parametrize(
    ("told", "text", "language", "rest"),
    [
        ("", "Hello.", "en", "Hello."),
        ("and it is", "And it is worth it.", "en", " worth it."),
        ("so we went", "So, we went home", "en", " home"),
        ("I scream", "Ice cream is good.", "en", " is good."),
        ("they're all here", "They are all here now.", "en", " now."),
        ("one two three", "one two", "en", ""),
        ("some words", "", "en", ""),
        ("今天", "今天很好", "zh", "很好"),
        ("今日", "今天很好", "zh", "很好"),
    ],
)
def test_what_was_told_is_never_taken_back(told: str, text: str, language: str, rest: str) -> None:
    """A final that revises what was told goes on after the last word that clients have."""
    assert remainder(told, text, language) == rest


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["en", "zh"]))
def test_remainders_are_never_longer_than_the_final(told: str, text: str, language: str) -> None:
    """Whatever was told, no word of the final is said twice."""
    rest = remainder(told, text, language)
    assert len(rest) <= len(text)
    assert not text.startswith(told) or told + rest == text


def test_nothing_is_told_before_a_commit() -> None:
    """Without turn detection neither onsets nor finals are seen; a commit makes one item of all of them."""
    client = manual()
    assert client.hear(started(0)) == []
    assert client.hear(partial(0, "one")) == []
    assert client.hear(final(0, "One.", 16_000)) == []
    assert client.hear(started(90_000)) == []
    assert client.hear(partial(90_000, "two", " th")) == []
    said = client.commit(90_000)
    assert (names(said), deltas(said)) == (["committed", "item.added", "~delta", "~delta"], "One. two")
    assert client.requests[-1] == Flush()
    done = client.hear(final(90_000, "two three.", 120_000))
    assert names(done) == ["~delta", "~completed", "item.done"]
    assert done[1]["transcript"] == "One. two three." == deltas(client.events)


def test_a_client_that_commits_decides_alone() -> None:
    """The session's own end of a turn is as far away as it can be."""
    client = Client()
    client.update(turn_detection=None)
    start = client.append()[0]
    assert isinstance(start, Start)
    assert start.silence_threshold_seconds == 10


@pytest.mark.parametrize(("beta", "silence"), [("pcm16", b"\0\0"), ("g711_ulaw", b"\xff"), ("g711_alaw", b"\xd5")])
def test_a_commit_holds_the_last_word_to_its_end(beta: str, silence: bytes) -> None:
    """Silence follows what was appended, so that nothing of it waits for more; not where times would be moved by it."""
    client = Client()
    client.say("transcription_session.update", session={"input_audio_format": beta, "turn_detection": None})
    client.append()
    for name in ("input_audio_buffer.commit", "input_audio_buffer.clear"):
        padding, flush = client.say(name)
        assert isinstance(padding, Audio)
        assert (set(padding.frame), flush) == (set(silence), Flush())
    client = Client()
    client.append()
    assert client.say("input_audio_buffer.commit") == [Flush()]


def test_commits_may_overtake_their_finals() -> None:
    """Each item gets its own segments, whichever final comes first."""
    client = manual()
    client.hear(started(0))
    client.commit(0)
    client.append()
    client.hear(started(20_000))
    client.commit(0, 20_000)
    second = client.hear(final(20_000, "Second.", 30_000))
    first = client.hear(final(0, "First.", 16_000))
    assert [events[-2]["transcript"] for events in (first, second)] == ["First.", "Second."]
    assert first[-2]["item_id"] != second[-2]["item_id"]


def test_a_commit_of_silence_has_an_empty_transcript() -> None:
    """Audio without speech is an item as well, complete at once."""
    for client in (manual(), Client()):
        client.append()
        said = client.commit()
        assert names(said) == ["committed", "item.added", "~completed", "item.done"]
        assert said[2]["transcript"] == ""


def test_a_commit_ends_a_turn_early() -> None:
    """With turn detection, a commit makes the turn that goes on an item; no stop of speech is told then."""
    client = Client()
    client.append()
    item = client.hear(started(0))[0]["item_id"]
    client.hear(final(0, "A long", 160_000, continues=True))
    said = client.commit(160_000)
    assert names(said) == ["committed", "item.added"]
    assert said[0]["item_id"] == item
    done = client.hear(final(160_000, "story.", 200_000))
    assert (names(done), done[1]["transcript"]) == (["~delta", "~completed", "item.done"], "A long story.")


def test_clear_forgets_what_was_not_committed() -> None:
    """Words before it are never told, whenever their finals come; what was committed before is."""
    client = manual()
    client.hear(started(0))
    client.commit(0)
    client.append()
    client.hear(started(20_000))
    client.hear(final(50_000, "Forgotten.", 60_000))
    assert names(client.clear(0, 20_000)) == ["cleared"]
    assert client.requests[-1] == Flush()
    assert client.hear(partial(20_000, "forgotten")) == []
    assert client.hear(final(20_000, "Forgotten too.", 40_000)) == []
    assert client.hear(final(0, "Kept.", 16_000))[-2]["transcript"] == "Kept."
    client.append()
    client.hear(final(70_000, "New.", 80_000))
    assert client.commit()[-2]["transcript"] == "New."


def test_clear_drops_the_turn_that_goes_on() -> None:
    """With turn detection as well: the item that began is never committed."""
    client = Client()
    client.append()
    client.hear(started(0))
    assert names(client.clear(0)) == ["cleared"]
    assert client.hear(final(0, "Forgotten.", 16_000)) == []
    client.hear(started(30_000))
    assert client.hear(final(30_000, "New.", 40_000))[-2]["transcript"] == "New."


def test_clear_before_any_audio() -> None:
    """There is nothing to forget, and no session to ask."""
    client = Client()
    assert client.say("input_audio_buffer.clear") == []
    assert client.events[-1]["type"] == "input_audio_buffer.cleared"


def test_a_segment_that_failed_fails_its_item() -> None:
    """The client gets ``failed`` instead of ``completed``, and later turns are not touched."""
    client = Client()
    client.append()
    client.hear(started(0))
    client.hear(partial(0, "some"))
    failed = client.hear(lost(0))
    assert names(failed) == ["committed", "item.added", "~failed"]
    assert failed[-1]["error"] == {
        "type": "server_error",
        "code": "decoding_failed",
        "message": "three workers gave up",
        "param": None,
        "event_id": None,
    }
    client.hear(started(30_000))
    assert client.hear(final(30_000, "Next.", 40_000))[-2]["transcript"] == "Next."


def test_words_come_with_their_probabilities() -> None:
    """Where a client asks for them, by the word; else there are none."""
    client = Client()
    include = ["item.input_audio_transcription.logprobs"]
    client.say("session.update", session={"type": "transcription", "include": include})
    assert client.events[-1]["session"]["include"] == include
    client.append()
    client.hear(started(0))
    completed = client.hear(final(0, "Sí, yes.", 16_000))[-2]
    assert [entry["token"] for entry in completed["logprobs"]] == ["Sí,", "yes."]
    assert completed["logprobs"][0] == {"token": "Sí,", "bytes": [83, 195, 173, 44], "logprob": -0.6931}
    client.say("session.update", session={"type": "transcription", "include": None})
    client.hear(started(20_000))
    assert client.hear(final(20_000, "Yes.", 30_000))[-2]["logprobs"] is None


def test_a_failure_before_a_commit_is_told_with_it() -> None:
    """Without turn detection there is no item before; the rest of it is not told then."""
    client = manual()
    assert client.hear(lost(0)) == []
    client.hear(partial(20_000, "other"))
    assert names(client.commit(20_000)) == ["committed", "item.added", "~failed"]
    assert client.hear(final(20_000, "Other.", 30_000)) == []


def test_a_failed_commit_that_is_waited_for() -> None:
    """An item that is committed already fails when its segment does."""
    client = manual()
    client.hear(started(0))
    client.commit(0)
    assert names(client.hear(lost(0))) == ["~failed"]
