"""What decides on the page has no page: its modules by themselves, in the browser's own engine."""

from typing import Any

import pytest_asyncio
from browsing import Visitor, visiting
from playwright.async_api import Browser

OUTBOX = """
const { Outbox } = await import('/page/outbox.js');
const counted = (from, count) => Int16Array.from({ length: count }, (_, at) => from + at);
const said = (taken) => taken instanceof Int16Array ? [...taken] : taken;
const rest = (box) => { const all = []; for (let one; (one = box.take(4)) !== null;) all.push(said(one)); return all };
"""


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser: Browser, address: str):
    """A tab in which scripts run."""
    async with visiting(browser, address) as made:
        yield made


async def run(visitor: Visitor, script: str) -> Any:
    """What a script of modules returns."""
    return await visitor.page.evaluate(f"async () => {{ {script} }}")


async def test_audio_is_sent_in_order_with_messages_at_their_places(visitor: Visitor):
    """Audio comes in pieces no longer than asked for, and a message between the frames where it was said."""
    found = await run(
        visitor,
        OUTBOX + "const box = new Outbox(100); box.append(counted(0, 3)); box.append(counted(3, 3));"
        "box.mark({ type: 'set_langs' }); box.append(counted(6, 1)); box.mark({ type: 'stop' }); return rest(box);",
    )
    assert found == [[0, 1, 2, 3], [4, 5], {"type": "set_langs"}, [6], {"type": "stop"}]


async def test_what_was_not_acknowledged_is_sent_again(visitor: Visitor):
    """After a rewind the same audio and messages come again from there on; what was acknowledged is gone."""
    found = await run(
        visitor,
        OUTBOX + "const box = new Outbox(100); box.append(counted(0, 6)); box.mark({ type: 'one' });"
        "box.append(counted(6, 4)); rest(box); box.release(4); box.rewind(5); const again = rest(box);"
        "let refusal = ''; try { box.rewind(3) } catch (error) { refusal = error.message }"
        "return [again, box.kept, refusal];",
    )
    assert found == [
        [[5], {"type": "one"}, [6, 7, 8, 9]],
        6,
        "the server wants audio from frame 3; frames 4 to 10 are here",
    ]


async def test_audio_is_kept_until_it_was_sent(visitor: Visitor):
    """An acknowledgement beyond what this connection sent forgets nothing that is still to be sent."""
    found = await run(
        visitor,
        OUTBOX + "const box = new Outbox(100); box.append(counted(0, 6)); box.take(2); box.release(5);"
        "return [box.base, rest(box)];",
    )
    assert found == [2, [[2, 3, 4, 5]]]


async def test_the_oldest_audio_goes_first_when_there_is_too_much(visitor: Visitor):
    """Beyond its limit an outbox gives up the oldest frames, counts them, and goes on after them."""
    found = await run(
        visitor,
        OUTBOX + "const box = new Outbox(5); box.append(counted(0, 4)); box.append(counted(4, 4));"
        "return [box.lost, box.base, rest(box)];",
    )
    assert found == [3, 3, [[3, 4, 5, 6], [7]]]


async def test_another_session_counts_anew(visitor: Visitor):
    """What is kept when a session is lost becomes the beginning of the next one."""
    found = await run(
        visitor,
        OUTBOX + "const box = new Outbox(100); box.append(counted(0, 8)); rest(box); box.release(6);"
        "box.mark({ type: 'stop' }); return [box.restart(), box.base, box.end, rest(box)];",
    )
    assert found == [6, 0, 2, [[6, 7], {"type": "stop"}]]


async def test_a_final_is_shown_once_and_no_partial_after_it(visitor: Visitor):
    """Repeated finals, late partials and lower revisions are no news; segments stand in the order of speech."""
    found = await run(
        visitor,
        """
        const { Transcript } = await import('/page/transcript.js');
        const made = new Transcript();
        const place = { generation: 1, shift: 10 };
        const partial = (id, rev, committed, tail) => made.apply(
            { type: 'realtime', segment_id: id, rev, committed, tail, language: 'en' }, place) !== null;
        const final = (id, text) => made.apply({ type: 'final', segment_id: id, text, words: [], start: 1, end: 2,
            language: 'en', continues: false }, place) !== null;
        const news = [partial('900', 2, 'b', ''), partial('900', 1, 'a', ''), partial('100', 1, 'x', 'y'),
            final('900', 'B.'), final('900', 'C.'), partial('900', 9, 'late', ''), final('100', ' ')];
        return [news, made.segments.map(({ text, start }) => [text, start])];
        """,
    )
    assert found == [[True, False, True, True, False, False, True], [["B.", 11]]]


async def test_subtitles_keep_words_whole_and_lines_short(visitor: Visitor):
    """Cues have two lines of 42 characters at most; parts of one word stay together; markup is escaped in WebVTT."""
    found = await run(
        visitor,
        """
        const { write, cuesOf } = await import('/page/subtitles.js');
        const text = 'An old-fashioned <b>word</b> and another one, and so many more that no line holds them all.';
        const words = text.split(/ |(?<=old)(?=-)/).map((word, at) => ({ text: word, start: at, end: at + 0.9 }));
        const segment = { text, words, language: 'en', start: 0, end: words.length, translations: new Map() };
        const lines = cuesOf(segment).flatMap((cue) => cue.lines);
        return [lines.join(' ') === text, Math.max(...lines.map((line) => line.length)), write([segment], 'vtt')];
        """,
    )
    whole, longest, vtt = found
    assert whole
    assert longest <= 42
    assert vtt.startswith("WEBVTT\n\n00:00:00.000 --> ")
    assert "&lt;b&gt;word&lt;/b&gt;" in vtt


async def test_languages_are_found_by_any_of_their_names(visitor: Visitor):
    """A language is found by its own name without accents, its English name or a code, and stands under its own."""
    found = await run(
        visitor,
        """
        const { prepare, search, shown } = await import('/page/languages.js');
        const config = await (await fetch('/page/config.json')).json();
        const all = prepare(config.languages);
        const typed = ['espanol', 'German', 'deu', '日本', 'francais', 'no such'];
        return typed.map((text) => search(all, text).map(shown)[0] ?? null);
        """,
    )
    assert found == [
        "Español · Spanish",
        "Deutsch · German",
        "Deutsch · German",
        "日本語 · Japanese",
        "Français · French",
        None,
    ]
