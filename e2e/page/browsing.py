"""Somebody on the page: what they do, what they see, and what the browser sent and got meanwhile."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, WebSocket, expect

CHROMIUM = "/usr/bin/chromium"
"""Debian's, as requirements/apt.txt has it."""

PATIENCE_MS = 180_000
"""Passes only when something is broken."""

expect.set_options(timeout=PATIENCE_MS)


@dataclass
class Visitor:
    """A tab, and everything that went over its wires."""

    page: Page
    context: BrowserContext
    address: str
    messages: list[dict[str, Any]] = field(default_factory=list)
    """What gateways said, over all connections."""
    said: list[dict[str, Any]] = field(default_factory=list)
    """What the page said, audio left out."""
    hosts: set[str] = field(default_factory=set)
    urls: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Errors of the console and of scripts."""

    def watch(self) -> None:
        """Write down what happens on this tab."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("websocket", self._connected)

    def _console(self, line: ConsoleMessage) -> None:
        # A browser writes an error for each WebSocket that cannot be opened; the page has no say in that.
        if line.type in ("error", "warning") and "WebSocket connection to" not in line.text:
            self.problems.append(f"{line.type}: {line.text} {line.location}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith("blob:"):
            self._called(request.url)

    def _connected(self, socket: WebSocket) -> None:
        self._called(socket.url)
        socket.on("framereceived", lambda frame: self.messages.append(json.loads(frame)))
        socket.on("framesent", lambda frame: self.said.append(json.loads(frame)) if isinstance(frame, str) else None)

    def _called(self, url: str) -> None:
        self.urls.append(url)
        self.hosts.add(urlsplit(url).netloc)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Messages of a type so far."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def finals(self) -> list[str]:
        """Texts of the finals that the gateway sent, in the order of speech; silence left out."""
        finals = sorted(self.of("final"), key=lambda message: message["start"])
        return [message["text"].strip() for message in finals if message["text"].strip()]

    async def captions(self) -> list[str]:
        """What stands on the page as said, row by row."""
        return await self.page.locator("#segments .said").all_text_contents()

    async def start(self) -> None:
        """Press Start."""
        await self.page.get_by_role("button", name="Start").click()

    async def choose_file(self, path: str, *, aloud: bool = False) -> None:
        """Make a file the source."""
        await self.page.locator(".sources").get_by_text("File").click()
        await self.page.locator("#file").set_input_files(path)
        await self.page.locator("#aloud").set_checked(aloud)

    async def speak(self, source: str | None = None, target: str | None = None) -> None:
        """Choose languages by typing their names."""
        for name, field_id in ((source, "#source-input"), (target, "#target-input")):
            if name is not None:
                await self.page.locator(field_id).click()
                await self.page.keyboard.type(name)
                await self.page.keyboard.press("Enter")

    async def until_state(self, name: str) -> None:
        """Wait until the connection's state is this."""
        await expect(self.page.locator("#state")).to_have_attribute("data-state", name)

    async def until_over(self) -> None:
        """Wait until everything was delivered."""
        await self.until_state("idle")

    async def until_rows(self, count: int) -> None:
        """Wait until so many segments are final, or more."""
        await expect(self.page.locator("#segments .segment[data-final]").nth(count - 1)).to_be_attached()


@asynccontextmanager
async def visiting(browser: Browser, address: str, **options: Any) -> AsyncIterator[Visitor]:
    """Open the page in a browser profile of its own; at the end nothing is in the console."""
    context = await browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    visitor = Visitor(await context.new_page(), context, address)
    visitor.watch()
    await visitor.page.goto(address)
    await expect(visitor.page.locator("#source-input")).not_to_have_value("")
    yield visitor
    await context.close()
    assert visitor.problems == [], visitor.problems
