"""How the page looks, how it is reached without a mouse, and what it asks of a browser."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from browsing import Visitor, visiting
from playwright.async_api import Browser, expect
from talk import Talk

LEAST_BYTES, MOST_BYTES = 10_000, 150_000
GRAVE = {"serious", "critical"}

FITS = "[document.documentElement.scrollWidth <= innerWidth, document.body.scrollWidth <= innerWidth]"


async def grave_faults(visitor: Visitor) -> list[str]:
    """What axe-core finds that keeps people out."""
    found = await Axe().run(visitor.page)
    return [
        f"{one['id']}: {one['help']}: {[node['html'] for node in one['nodes']]}"
        for one in found.response["violations"]
        if one["impact"] in GRAVE
    ]


async def heard(visitor: Visitor, talk: Talk) -> None:
    """Fill the page with captions and translations."""
    await visitor.choose_file(str(talk.path))
    await visitor.speak("English", "Spanish")
    await visitor.start()
    await visitor.until_over()


async def test_axe_finds_nothing_grave(browser: Browser, address: str, talk: Talk):
    """Empty, with an open list, full of captions, in each dialog and as subtitles, light and dark: no serious fault."""
    async with visiting(browser, address, color_scheme="light") as visitor:
        page = visitor.page
        assert await grave_faults(visitor) == []
        await page.locator("#source-input").click()
        assert await grave_faults(visitor) == []
        await page.keyboard.press("Escape")
        await heard(visitor, talk)
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            assert await grave_faults(visitor) == []
        for name in ("Save the captions", "Keyboard shortcuts"):
            await page.get_by_role("button", name=name).click()
            assert await grave_faults(visitor) == []
            await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Subtitle view").click()
        await expect(page.locator("#stage .stage-line")).to_have_count(2)
        assert await grave_faults(visitor) == []


async def test_narrow_screens_need_no_sideways_scrolling(browser: Browser, address: str, talk: Talk):
    """At 360 pixels everything fits, empty and full, with the largest captions and with a list open."""
    async with visiting(browser, address, viewport={"width": 360, "height": 740}) as visitor:
        assert all(await visitor.page.evaluate(FITS))
        await heard(visitor, talk)
        for _ in range(8):
            await visitor.page.get_by_role("button", name="Larger text").click()
        assert all(await visitor.page.evaluate(FITS))
        for field in ("#source-input", "#target-input"):
            await visitor.page.locator(field).click()
            assert all(await visitor.page.evaluate(FITS))
        scroller = "(() => { const m = document.querySelector('main'); return m.scrollWidth <= m.clientWidth })()"
        assert await visitor.page.evaluate(scroller)


async def test_nothing_is_asked_of_another_host(
    browser: Browser, address: str, talk: Talk, report: Callable[[str], None]
):
    """A visit with captions loads less than 150 kB, all of it from the gateway."""
    async with visiting(browser, address) as visitor:
        await heard(visitor, talk)
        assert visitor.hosts == {urlsplit(address).netloc}
        transferred = await visitor.page.evaluate(
            "performance.getEntries().reduce((sum, entry) => sum + (entry.transferSize ?? 0), 0)"
        )
        report(f"the page transfers {transferred} bytes")
        assert LEAST_BYTES < transferred < MOST_BYTES


async def test_everything_can_be_done_by_keyboard(browser: Browser, address: str, talk: Talk):
    """Without a mouse: languages are chosen, captions are taken, subtitles are shown and left, captions are saved."""
    async with visiting(browser, address) as visitor:
        page, keys = visitor.page, visitor.page.keyboard
        await page.locator("body").focus()
        await keys.press("l")
        await keys.type("engl")
        await keys.press("Enter")
        await page.evaluate("document.activeElement.blur()")
        await keys.press("i")
        await keys.type("espa")
        await keys.press("ArrowDown")
        await keys.press("ArrowUp")
        await keys.press("Enter")
        await expect(page.locator("#chosen")).to_contain_text("Español")
        await page.evaluate("document.activeElement.blur()")
        await keys.press("m")
        await page.evaluate("document.activeElement.blur()")
        await keys.press("Space")
        await visitor.until_rows(1)
        await keys.press("v")
        await expect(page.locator("#stage .stage-line").first).not_to_be_empty()
        await keys.press("Escape")
        await expect(page.locator("#stage")).to_be_hidden()
        await keys.press("Space")
        await visitor.until_over()
        await keys.press("s")
        async with page.expect_download():
            await page.locator("#save-forms [value=srt]").press("Enter")
        await keys.press("?")
        await page.locator("#use-shortcuts").press("Space")
        await keys.press("Escape")
        await keys.press("d")
        assert await page.evaluate("document.documentElement.dataset.theme") is None
        assert visitor.said[0]["source_language"] == "en"
        assert visitor.said[0]["target_languages"] == ["es"]


async def test_a_quick_hand_leaves_the_subtitles(visitor: Visitor):
    """Subtitles that are left before the screen is full leave neither a full screen nor a hidden button in focus."""
    for _ in range(5):
        await visitor.page.keyboard.press("v")
        await visitor.page.keyboard.press("Escape")
        await expect(visitor.page.locator("#stage")).to_be_hidden()
        await visitor.page.wait_for_function("document.fullscreenElement === null")
        assert await visitor.page.evaluate("document.activeElement.checkVisibility()")


async def test_every_control_can_be_tabbed_to(visitor: Visitor):
    """Going round with Tab reaches each control of the page once, in the order in which they stand."""
    wanted = await visitor.page.evaluate(
        """[...document.querySelectorAll('a, button, input, main')].filter((one) => one.checkVisibility()
            && (one.type !== 'radio' || one.checked)).map((one) => one.id || one.className || one.value)"""
    )
    reached = []
    for _ in wanted:
        await visitor.page.keyboard.press("Tab")
        reached.append(
            await visitor.page.evaluate(
                "(() => { const e = document.activeElement; return e.id || e.className || e.value })()"
            )
        )
    assert reached == wanted


async def test_looks_are_remembered(visitor: Visitor):
    """Dark or light and the size of the captions are as they were when the page is loaded again."""
    await visitor.page.emulate_media(color_scheme="light")
    await visitor.page.keyboard.press("d")
    await visitor.page.keyboard.press("+")
    size = await visitor.page.evaluate("document.documentElement.style.getPropertyValue('--size')")
    await visitor.page.reload()
    assert await visitor.page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert await visitor.page.evaluate("document.documentElement.style.getPropertyValue('--size')") == size
    ground = await visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(map(int, re.findall(r"\d+", ground))) < 60
