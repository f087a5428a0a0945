"""The network breaks, the server goes away and comes back: the page says so, and loses nothing."""

from browsing import Visitor, visiting
from cutting_proxy import network
from playwright.async_api import Browser, Locator, expect
from talk import WRONG_WORDS, Talk
from world import World

from speechpipe_client.demo.scoring import error_rate


def notice(visitor: Visitor) -> Locator:
    """The sentence that the page says."""
    return visitor.page.locator("#notice")


async def test_a_cut_network_loses_nothing(browser: Browser, address: str, talk: Talk):
    """The network breaks while somebody speaks and stays away: the page says so, comes back, and has each word once."""
    async with network(address) as wires, visiting(browser, wires.address) as visitor:
        await visitor.speak("English")
        await visitor.start()
        await visitor.until_rows(1)
        wires.down = True
        wires.cut()
        await expect(notice(visitor)).to_contain_text("What you say is kept and sent when it is back")
        await visitor.until_state("waiting")
        wires.down = False
        await expect(notice(visitor)).to_contain_text("Nothing was lost")
        await visitor.until_state("live")
        wires.cut()
        await visitor.until_rows(3)
        await visitor.page.get_by_role("button", name="Stop").click()
        await visitor.until_over()
        assert [message["resumed"] for message in visitor.of("ready")][:2] == [False, True]
        captions = await visitor.captions()
        assert error_rate(talk.said, " ".join(captions), "en") <= WRONG_WORDS, captions
        assert captions == visitor.finals
        assert "resume=1" in visitor.urls[-1]


async def test_a_server_that_is_down_is_waited_for(browser: Browser, address: str, talk: Talk):
    """A server that does not answer is told in a sentence, and heard the moment it does, from the first word on."""
    async with network(address) as wires, visiting(browser, wires.address) as visitor:
        await visitor.speak("English")
        wires.down = True
        wires.cut()
        await visitor.start()
        await expect(notice(visitor)).to_contain_text("The server does not answer")
        wires.down = False
        await visitor.until_rows(1)
        await expect(notice(visitor)).to_be_hidden()
        await visitor.page.get_by_role("button", name="Stop").click()
        await visitor.until_over()
        [first, *_] = await visitor.captions()
        assert error_rate(talk.sentences[0], first, "en") <= WRONG_WORDS, first


async def test_a_restarted_server_is_come_back_to(browser: Browser, world: World, talk: Talk):
    """A gateway that is told to end says so; the page says it too, and goes on with the gateway that comes after it."""
    service = world.add_gateway(DRAIN_SECONDS="1")
    await world.start(service)
    async with visiting(browser, world.urls[-1].replace("ws://", "http://").removesuffix("ws")) as visitor:
        await visitor.speak("English")
        await visitor.start()
        await visitor.until_rows(1)
        await service.terminate()
        await expect(notice(visitor)).to_be_visible()
        await world.start(service)
        await visitor.until_rows(2)
        await visitor.page.get_by_role("button", name="Stop").click()
        await visitor.until_over()
        captions = await visitor.captions()
        assert error_rate(" ".join(talk.sentences[:2]), " ".join(captions[:2]), "en") <= WRONG_WORDS, captions
