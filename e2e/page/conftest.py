"""The page in a real browser, against a real pipeline: Valkey, gateways, Whisper tiny.en, Apertium."""

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "local"))

from browsing import CHROMIUM, Visitor, visiting
from playwright.async_api import Browser, Playwright, async_playwright
from talk import Talk, make_talk
from world import World, running

from speechpipe_gateway.auth import new_key

_figures = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the figures of this run."""
    config.stash[_figures] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for all: browsers and the pipeline are shared."""
    for item in items:
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was measured."""
    if config.stash[_figures]:
        terminalreporter.section("figures")
        for line in config.stash[_figures]:
            terminalreporter.write_line(line)


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a line to the summary."""
    return request.config.stash[_figures].append


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Talk:
    """Sentences of people with pauses between them, as a file."""
    return make_talk(tmp_path_factory.mktemp("talk") / "talk.wav")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A pipeline with a gateway that lets everybody in."""
    async with running(tmp_path_factory.mktemp("world"), {}) as made:
        made.add_gateway()
        made.add_stt()
        made.add_translate()
        await made.start()
        yield made


@pytest.fixture(scope="session")
def address(world: World) -> str:
    """Where the page is."""
    return page_of(world.urls[0])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded(world: World) -> tuple[str, str]:
    """Where the page of a gateway with one place is, and the key that opens it."""
    key, line = new_key("reader")
    keys = world.directory / "keys"
    keys.write_text(line + "\n")
    service = world.add_gateway(AUTH="required", API_KEYS_FILE=str(keys), MAX_SESSIONS="1")
    await world.start(service)
    return page_of(world.urls[-1]), key


def page_of(url: str) -> str:
    """Address of the page beside a WebSocket's."""
    return url.replace("ws://", "http://").removesuffix("ws")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    """What drives browsers."""
    async with async_playwright() as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(playwright: Playwright, talk: Talk) -> AsyncIterator[Browser]:
    """Debian's Chromium with a microphone that plays the talk once, from each start of it."""
    flags = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={talk.path}%noloop",
    )
    made = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def denying_browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """A browser with a microphone, whose user lets no page have it."""
    flags = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    made = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def deaf_browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """A browser that hears what the machine has, mostly nothing."""
    made = await playwright.chromium.launch(executable_path=CHROMIUM)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="session")
async def visitor(browser: Browser, address: str) -> AsyncIterator[Visitor]:
    """Somebody on the page, who is not left with an error in the console."""
    async with visiting(browser, address) as made:
        yield made
