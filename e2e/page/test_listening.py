"""Words come from a microphone and from a file, and what the page shows is what the pipeline said."""

import re
from pathlib import Path

from browsing import Visitor
from playwright.async_api import expect
from talk import LEAD_SECONDS, WRONG_WORDS, Talk

from speechpipe_client.demo.scoring import error_rate

TIMES = re.compile(r"(\d\d):(\d\d):(\d\d)[.,](\d{3}) --> ")


WATCH = """() => {
    window.seen = [];
    new MutationObserver(() => {
        const row = document.querySelector('#segments .segment:not([data-final])');
        if (!row) return;
        const [solid, grey] = ['.committed', '.tail'].map((one) => row.querySelector(one)?.textContent ?? '');
        window.seen.push([[...row.parentNode.children].indexOf(row), solid, grey]);
    }).observe(document.getElementById('segments'), {childList: true, subtree: true, characterData: true});
}"""
"""Writes down what stood in rows that were not final: which row, what was solid, what was grey."""


async def test_a_microphones_words_are_shown(visitor: Visitor, talk: Talk):
    """What a microphone hears stands on the page as partials and finals have it, with its translation beside it."""
    await visitor.page.evaluate(WATCH)
    await visitor.speak("English", "Spanish")
    await visitor.start()
    await visitor.until_rows(3)
    await visitor.page.get_by_role("button", name="Stop").click()
    await visitor.until_over()
    assert await visitor.captions() == visitor.finals
    assert error_rate(talk.said, " ".join(visitor.finals), "en") <= WRONG_WORDS, visitor.finals
    translated = {message["text"].strip() for message in visitor.of("translation") if message["is_final"]}
    shown = await visitor.page.locator("#segments .translation:not(.open)").all_text_contents()
    assert len(shown) == 3
    assert set(shown) == translated
    heard = await visitor.page.locator("#announce p").all_text_contents()
    assert heard == visitor.finals
    await settled_words_stayed(visitor)


async def settled_words_stayed(visitor: Visitor) -> None:
    """Each partial was shown in its two parts, in two colours, and settled words did not change before the final."""
    partials = {(message["committed"], message["tail"]) for message in visitor.of("realtime")}
    seen = await visitor.page.evaluate("window.seen")
    assert seen
    assert {(solid, grey) for _, solid, grey in seen if solid or grey} <= partials
    solid: dict[int, str] = {}
    for row, settled, _ in seen:
        assert settled.startswith(solid.get(row, ""))
        solid[row] = settled
    style = "getComputedStyle(document.querySelector('.segment .{}')).color"
    colours = [await visitor.page.evaluate(style.format(part)) for part in ("committed", "tail")]
    assert colours[0] != colours[1]


async def test_a_file_is_captioned_and_saved(visitor: Visitor, talk: Talk, tmp_path: Path):
    """A file goes as fast as it is taken; its captions are saved with their words, and times that lie in the file."""
    await visitor.choose_file(str(talk.path))
    await visitor.speak("English")
    await visitor.start()
    await visitor.until_over()
    assert await visitor.captions() == visitor.finals
    for form in ("txt", "srt", "vtt"):
        await visitor.page.get_by_role("button", name="Save the captions").click()
        async with visitor.page.expect_download() as waiting:
            await visitor.page.locator(f"#save-forms [value={form}]").click()
        download = await waiting.value
        assert download.suggested_filename == f"captions.{form}"
        await download.save_as(tmp_path / form)
    assert (tmp_path / "txt").read_text().splitlines() == visitor.finals
    for form in ("srt", "vtt"):
        text = (tmp_path / form).read_text()
        times = [int(h) * 3600 + int(m) * 60 + int(s) + int(ms) / 1000 for h, m, s, ms in TIMES.findall(text)]
        assert times == sorted(times)
        assert LEAD_SECONDS - 0.5 <= times[0] < times[-1] < talk.seconds
        words = re.sub(r"WEBVTT|^\d+$|^.* --> .*$", "", text, flags=re.MULTILINE)
        assert " ".join(words.split()) == " ".join(" ".join(visitor.finals).split())


async def test_languages_change_while_somebody_speaks(visitor: Visitor, talk: Talk):
    """A translation that is asked for in the middle comes with the segments after it, not with those before."""
    await visitor.speak("English")
    await visitor.choose_file(str(talk.path), aloud=True)
    await visitor.start()
    await visitor.until_rows(1)
    await visitor.speak(target="español")
    await visitor.until_rows(3)
    await visitor.until_over()
    languages = [message["target_languages"] for message in visitor.said if message["type"] == "set_langs"]
    assert languages == [[], ["es"]]
    rows = visitor.page.locator("#segments .segment")
    await expect(rows.nth(2).locator(".translation")).to_have_count(1)
    await expect(rows.nth(0).locator(".translation")).to_have_count(0)
    await visitor.page.get_by_role("button", name="Remove Español").click()
    await expect(visitor.page.locator("#chosen li")).to_have_count(0)
