"""How soon a caption is on the page once the server has it; measured and told, never judged by a clock."""

import asyncio
import json
import time
from collections.abc import Callable

from browsing import Visitor
from playwright.async_api import expect
from talk import Talk
from world import World

MARK = """() => {
    window.shown = [];
    new MutationObserver(() => {
        const row = document.querySelector('#segments .segment');
        if (row && row.querySelector('.said').textContent) window.shown.push(Date.now());
    }).observe(document.getElementById('segments'), {childList: true, subtree: true, characterData: true});
}"""


async def test_the_first_caption_is_shown_as_it_comes(
    visitor: Visitor, world: World, talk: Talk, report: Callable[[str], None]
):
    """The first partial that a worker publishes stands on the page soon after; the summary tells how soon."""
    published: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def first_partial() -> None:
        async with world.redis.pubsub() as channel:
            await channel.psubscribe("results:*")
            async for message in channel.listen():
                if message["type"] == "pmessage" and json.loads(message["data"]).get("body", {}).get("text"):
                    published.set_result(time.time() * 1000)
                    return

    watching = asyncio.create_task(first_partial())
    await visitor.page.evaluate(MARK)
    await visitor.speak("English")
    await visitor.start()
    await expect(visitor.page.locator("#segments .said").first).not_to_be_empty()
    await watching
    [shown, *_] = await visitor.page.evaluate("window.shown")
    report(f"first caption on the page {shown - published.result():.0f} ms after the worker published it")
    await visitor.page.get_by_role("button", name="Stop").click()
    await visitor.until_over()
