"""What goes wrong is said in a sentence that tells people what to do."""

from pathlib import Path

import pytest
from browsing import Visitor, visiting
from playwright.async_api import Browser, Page, expect
from talk import Talk

from speechpipe_gateway.auth import new_key


async def says(page: Page, text: str) -> None:
    """Wait until the page says this."""
    await expect(page.locator("#notice")).to_contain_text(text)


async def give_key(page: Page, key: str, *, keep: bool = False) -> None:
    """Type a key into the dialog that asks for one."""
    await expect(page.locator("#key-dialog")).to_be_visible()
    await page.locator("#key").fill(key)
    await page.locator("#keep").set_checked(keep)
    await page.keyboard.press("Enter")


async def stored(page: Page) -> str:
    """Everything that the page keeps in the browser, and its address."""
    return await page.evaluate(
        "JSON.stringify([{...sessionStorage}, {...localStorage}, location.href, document.cookie])"
    )


async def test_a_denied_microphone_is_told(denying_browser: Browser, address: str):
    """Who denies the microphone reads how to allow it, and can start again."""
    async with visiting(denying_browser, address) as visitor:
        await visitor.start()
        await says(visitor.page, "The microphone is blocked for this page")
        await visitor.until_state("idle")
        await expect(visitor.page.get_by_role("button", name="Start")).to_be_enabled()


async def test_a_missing_microphone_is_told(deaf_browser: Browser, address: str):
    """A machine without a microphone is told to connect one, or to take a file."""
    async with visiting(deaf_browser, address, permissions=["microphone"]) as visitor:
        devices = await visitor.page.evaluate("navigator.mediaDevices.enumerateDevices()")
        if any(device["kind"] == "audioinput" for device in devices):
            pytest.skip("this machine has a microphone")
        await visitor.start()
        await says(visitor.page, "No microphone was found")


async def test_what_is_no_sound_is_told(visitor: Visitor, tmp_path: Path):
    """A file that holds no sound is refused by name, and none at all is asked for."""
    await visitor.page.locator(".sources").get_by_text("File").click()
    await visitor.start()
    await says(visitor.page, "Choose a file first")
    (tmp_path / "notes.txt").write_text("no sound")
    await visitor.choose_file(str(tmp_path / "notes.txt"))
    await visitor.start()
    await says(visitor.page, "This file cannot be read as audio")


async def test_a_wrong_key_is_asked_for_again(browser: Browser, guarded: tuple[str, str], talk: Talk):
    """A wrong key is called wrong and asked for again; the right one opens the session, and no address holds it."""
    address, key = guarded
    wrong, _ = new_key("stranger")
    async with visiting(browser, address) as visitor:
        await visitor.choose_file(str(talk.path))
        await visitor.speak("English")
        await visitor.start()
        await give_key(visitor.page, wrong)
        await expect(visitor.page.locator("#key-why")).to_contain_text("This key is wrong")
        await give_key(visitor.page, key)
        await visitor.until_over()
        assert await visitor.captions() == visitor.finals != []
        assert all(key not in url and wrong not in url for url in visitor.urls)
        assert key not in await stored(visitor.page)


async def test_a_key_is_only_remembered_where_asked(browser: Browser, guarded: tuple[str, str], talk: Talk):
    """A key that is to be remembered is so until the tab is closed: a reloaded page does not ask for it."""
    address, key = guarded
    async with visiting(browser, address) as visitor:
        await visitor.choose_file(str(talk.path))
        await visitor.start()
        await give_key(visitor.page, key, keep=True)
        await visitor.until_over()
        await visitor.page.reload()
        await visitor.choose_file(str(talk.path))
        await visitor.start()
        await visitor.until_rows(3)
        await visitor.until_over()
        assert key not in await visitor.page.evaluate("JSON.stringify({...localStorage})")


async def test_nobody_needs_to_give_a_key(browser: Browser, guarded: tuple[str, str], talk: Talk):
    """Who closes the dialog is back where they were."""
    async with visiting(browser, guarded[0]) as visitor:
        await visitor.choose_file(str(talk.path))
        await visitor.start()
        await expect(visitor.page.locator("#key-dialog")).to_be_visible()
        await visitor.page.keyboard.press("Escape")
        await visitor.until_state("idle")
        await expect(visitor.page.get_by_role("button", name="Start")).to_be_enabled()


async def test_a_full_server_is_told_and_waited_for(browser: Browser, guarded: tuple[str, str], talk: Talk):
    """While the only place is taken the page says so and keeps what is said; it is captioned once there is a place."""
    address, key = guarded
    async with visiting(browser, address) as first, visiting(browser, address) as second:
        await first.start()
        await give_key(first.page, key)
        await first.until_state("live")
        await second.choose_file(str(talk.path))
        await second.speak("English")
        await second.start()
        await give_key(second.page, key)
        await says(second.page, "The server is full")
        await first.page.get_by_role("button", name="Stop").click()
        await first.until_over()
        await second.until_rows(3)
        await second.until_over()
        assert await second.captions() == second.finals


@pytest.mark.parametrize(
    ("code", "said", "sentence"),
    [
        (4409, None, "taken over by another connection"),
        (4408, {"code": "idle"}, "heard nothing for too long"),
        (4408, {"code": "session_too_long"}, "longest duration"),
        (1012, None, "The server restarts"),
        (1011, None, "The server had a fault"),
        (1008, {"code": "resume_denied"}, "no longer knows this session"),
        (1008, {"code": "token_expired", "message": "its time is over"}, "does not take this token"),
        (1013, {"code": "key_full"}, "Every session of this key"),
        (4400, {"code": "bad_sample", "message": "infinite"}, "did not understand this page: infinite"),
        (1006, None, "The connection is lost"),
    ],
)
async def test_every_ending_has_a_sentence(visitor: Visitor, code: int, said: dict[str, str] | None, sentence: str):
    """Each close code of the protocol is told in words that say what happens next."""
    judged = await visitor.page.evaluate(
        """async ([code, said]) => {
            const { judge } = await import('/page/endings.js');
            return judge(code, said, { opened: true, keyShown: true });
        }""",
        [code, said],
    )
    assert sentence in judged["text"]


async def test_a_language_that_is_not_heard_is_told(visitor: Visitor, talk: Talk):
    """A language that the server does not transcribe, remembered by an older page, is refused by name."""
    await visitor.page.evaluate("localStorage.setItem('speechpipe.source', 'nv')")
    await visitor.page.reload()
    await visitor.choose_file(str(talk.path), aloud=True)
    await visitor.start()
    await says(visitor.page, "The server does not take this language: Navajo")
