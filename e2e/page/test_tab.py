"""The sound of another tab."""

from browsing import CHROMIUM, Visitor, visiting
from playwright.async_api import Page, Playwright
from talk import WRONG_WORDS, Talk

from speechpipe_client.demo.scoring import error_rate

TITLE = "Somebody is talking"
PLAY = """async () => {
    const context = new AudioContext();
    await context.resume();
    const bytes = await document.querySelector('input').files[0].arrayBuffer();
    const playing = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(bytes) });
    playing.connect(context.destination);
    window.play = () => playing.start();
}"""


async def prepare(page: Page, talk: Talk) -> None:
    """Have a tab that will play the talk."""
    await page.set_content(f"<title>{TITLE}</title><input type=file>")
    await page.locator("input").set_input_files(str(talk.path))
    await page.evaluate(PLAY)


async def heard(visitor: Visitor, other: Page) -> None:
    """Share the other tab, let it speak, and stop once its first sentence is there."""
    await visitor.page.bring_to_front()
    await visitor.speak("English")
    await visitor.page.locator(".sources").get_by_text("Tab").click()
    await visitor.start()
    await visitor.until_state("live")
    await other.evaluate("window.play()")
    await visitor.until_rows(1)
    await visitor.page.get_by_role("button", name="Stop").click()
    await visitor.until_over()


async def test_a_tabs_words_are_shown(playwright: Playwright, address: str, talk: Talk):
    """What another tab plays is captioned, once that tab was shared with its sound."""
    browser = await playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=["--headless=new", f"--auto-select-tab-capture-source-by-title={TITLE}"],
        ignore_default_args=["--mute-audio"],
    )
    async with visiting(browser, address) as visitor:
        other = await visitor.context.new_page()
        await prepare(other, talk)
        await heard(visitor, other)
        [first, *_] = await visitor.captions()
        assert error_rate(talk.sentences[0], first, "en") <= WRONG_WORDS, first
    await browser.close()
