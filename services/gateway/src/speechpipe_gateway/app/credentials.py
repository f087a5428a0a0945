"""What lets somebody in: an API key of the key file, or a token that an identity provider has signed."""

import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from speechpipe_common.wire import CLOSE_AUTH, CLOSE_FULL
from speechpipe_gateway.auth import ApiKey, KeyRing
from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.settings import GatewaySettings
from speechpipe_gateway.tokens import (
    KeysUnavailable,
    SigningKeys,
    TokenError,
    TokenMetrics,
    TokenVerifier,
    looks_like_token,
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client may show: something of either kind that is there."""

    keys: KeyRing | None = None
    tokens: TokenVerifier | None = None

    def find(self, shown: str) -> ApiKey | None:
        """Whose it is; None when that shows once signing keys were fetched again: see ``find_anew``.

        Raises:
            ProtocolError: it is nobody's.
        """
        key = self.keys.find(shown, time.monotonic()) if self.keys else None
        if key is not None:
            return key
        if self.tokens is None or (self.keys and not looks_like_token(shown)):
            raise ProtocolError("bad_token", "the API key is not known here; check it, or ask for one", CLOSE_AUTH)
        try:
            return self.tokens.verify(shown)
        except TokenError as error:
            raise _refused(error) from error

    async def find_anew(self, shown: str) -> ApiKey:
        """The same for what may be signed with a new key.

        Raises:
            ProtocolError: it is nobody's.
        """
        if self.tokens is None:
            raise AssertionError("only a token is looked at again")
        try:
            return await self.tokens.verify_anew(shown)
        except TokenError as error:
            raise _refused(error) from error

    async def keep_fresh(self) -> None:
        """Fetch signing keys for ever, where there are any to fetch."""
        if self.tokens is not None:
            await self.tokens.keys.run()

    def missing(self) -> str | None:
        """Why nobody can be let in yet: a rollout with a wrong address must not replace gateways that work."""
        if self.keys is not None or self.tokens is None or self.tokens.keys.ready:
            return None
        return f"no signing keys could be fetched from {self.tokens.keys.url} yet"


def open_credentials(settings: GatewaySettings, registry: CollectorRegistry) -> Credentials | None:
    """What is to be shown here; None lets everybody in.

    Raises:
        KeysFileError: the key file cannot be used.
    """
    if settings.auth == "off":
        return None
    keys = KeyRing(settings.api_keys_file, time.monotonic()) if settings.api_keys_file else None
    if not settings.jwks_url:
        return Credentials(keys)
    signing = SigningKeys(settings.jwks_url, settings.jwks_stale_seconds, TokenMetrics(registry))
    return Credentials(keys, TokenVerifier(settings.token_rule, signing))


def _refused(error: TokenError) -> ProtocolError:
    """Where it is us who cannot tell, the client may come again."""
    return ProtocolError(error.code, error.message, CLOSE_FULL if isinstance(error, KeysUnavailable) else CLOSE_AUTH)
