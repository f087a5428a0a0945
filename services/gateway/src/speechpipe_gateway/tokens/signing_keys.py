"""An issuer's keys, fetched and kept fresh by one task, away from any connection's path."""

import asyncio
import random
import time
from typing import Final

import aiohttp
import jwt

from speechpipe_common.logs import get_logger
from speechpipe_gateway.tokens.key_set import FetchPlan, KeySet, KeySetError, parse_keys
from speechpipe_gateway.tokens.metrics import TokenMetrics
from speechpipe_gateway.tokens.rules import Signature, TokenError

log = get_logger(__name__)

FETCH_SECONDS: Final = 5.0
MOST_BYTES: Final = 262_144


class KeysUnavailable(TokenError):
    """There are no keys to verify with, or they are too old to be believed; the client may try again."""


class SigningKeys:
    """The keys at one address.

    Args:
        url: from the configuration, never from a token.
        stale_seconds: how long keys count while the address does not answer.
        metrics: counts requests.
    """

    def __init__(self, url: str, stale_seconds: float, metrics: TokenMetrics) -> None:
        self.url = url
        self._stale_seconds = stale_seconds
        self._metrics = metrics
        self._keys = KeySet()
        self._fetched_at: float | None = None
        self._plan = FetchPlan(time.monotonic(), stale_seconds)
        self._fetching = False
        self._asked = asyncio.Event()
        self._finished = asyncio.Event()
        self._complained = False

    @property
    def ready(self) -> bool:
        """Keys have come at least once."""
        return self._fetched_at is not None

    def find(self, wanted: Signature) -> jwt.PyJWK | None:
        """The key of a signature; None when it is not among those that are known.

        Raises:
            KeysUnavailable: none are known, or only too old ones.
        """
        now = time.monotonic()
        if self._fetched_at is None or now - self._fetched_at > self._stale_seconds:
            if self._plan.ask(now):
                self._asked.set()
            raise KeysUnavailable(
                "token_keys_unavailable", "tokens cannot be checked at the moment: their issuer's keys cannot be had"
            )
        return self._keys.find(wanted)

    async def renewed(self) -> bool:
        """Wait until the keys were fetched once more; False when that was tried a moment ago."""
        if not self._fetching and not self._plan.ask(time.monotonic()):
            return False
        self._asked.set()
        await self._finished.wait()
        return True

    async def run(self) -> None:
        """Fetch whenever it is due, for ever."""
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True, auto_decompress=False) as http:
            while True:
                await self._until_due()
                self._asked.clear()
                self._fetching = True
                self._plan.begun(time.monotonic())
                try:
                    await self._renew(http)
                finally:
                    self._fetching = False
                    finished, self._finished = self._finished, asyncio.Event()
                    finished.set()

    async def _until_due(self) -> None:
        wait = self._plan.due - time.monotonic()
        try:
            # Gateways that began together must not ask together for ever.
            async with asyncio.timeout(max(wait, 0) * random.uniform(0.9, 1.0)):
                await self._asked.wait()
        except TimeoutError:
            return

    async def _renew(self, http: aiohttp.ClientSession) -> None:
        try:
            keys = parse_keys(await self._fetch(http))
        except (KeySetError, aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            self._metrics.jwks_fetches.labels("failed").inc()
            self._plan.failed(time.monotonic())
            if not self._complained:
                self._complained = True
                reason = str(error) or f"no answer within {FETCH_SECONDS:g} s"
                log.warning("jwks_unavailable", url=self.url, reason=reason, known_keys=len(self._keys.keys))
            return
        self._metrics.jwks_fetches.labels("ok").inc()
        if self._complained or keys.keys.keys() != self._keys.keys.keys():
            log.info("jwks_fetched", url=self.url, keys=len(keys.keys))
        self._complained = False
        self._keys = keys
        self._fetched_at = time.monotonic()
        self._plan.succeeded(self._fetched_at)

    async def _fetch(self, http: aiohttp.ClientSession) -> bytes:
        headers = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}
        async with http.get(self.url, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise KeySetError(
                    f"the answer is HTTP {response.status}; 200 and a JWK set are expected at that address"
                )
            raw = bytearray()
            async for chunk in response.content.iter_any():
                raw += chunk
                if len(raw) > MOST_BYTES:
                    raise KeySetError(f"the answer is longer than {MOST_BYTES} bytes")
            return bytes(raw)
