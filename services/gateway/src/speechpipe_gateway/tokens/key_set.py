"""The keys of an issuer: out of a JWK set (RFC 7517), and when to fetch it again. No I/O; the clock is passed in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

from speechpipe_gateway.tokens.rules import Signature

MOST_KEYS: Final = 64

REFRESH_SECONDS: Final = 300.0
"""How often keys are fetched when nothing asks for it; a key that was withdrawn is good for that long."""
ASK_SECONDS: Final = 10.0
"""Unknown key ids, which anybody can invent, cause one request in so long at most."""
RETRY_SECONDS: Final = (1.0, 60.0)
"""First and longest wait after a request that failed."""

_ALGORITHM_OF: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
_ALSO_CALLED: Final = {"Ed25519": "EdDSA"}
"""RFC 9864 has a new name for it."""


class KeySetError(Exception):
    """What came from the issuer's address is no set of keys that can be used."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """Public keys by key id and algorithm; the id is None where a key has none."""

    keys: Mapping[tuple[str | None, str], jwt.PyJWK] = field(default_factory=dict)

    def find(self, wanted: Signature) -> jwt.PyJWK | None:
        """The key of a signature. A token may leave out the id only where there is one key of its algorithm."""
        if wanted.key_id is not None:
            return self.keys.get((wanted.key_id, wanted.algorithm))
        fitting = [key for (_, algorithm), key in self.keys.items() if algorithm == wanted.algorithm]
        return fitting[0] if len(fitting) == 1 else None


def parse_keys(raw: bytes) -> KeySet:
    """The keys of a JWK set that can verify signatures; others (for encryption, of other kinds) are passed over.

    Raises:
        KeySetError: it is no JWK set, or none of its keys can be used.
    """
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise KeySetError("the answer is not JSON") from error
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise KeySetError('the answer is no JWK set: it has no list "keys"')
    if len(listed) > MOST_KEYS:
        raise KeySetError(f"the answer has {len(listed)} keys, {MOST_KEYS} are the most that are taken")
    keys: dict[tuple[str | None, str], jwt.PyJWK] = {}
    for entry in listed:
        if isinstance(entry, dict) and (key := _key(entry)) is not None:
            keys.setdefault((key.key_id, key.algorithm_name), key)
    if not keys:
        raise KeySetError("none of its keys can verify RS256, ES256 or EdDSA")
    return KeySet(keys)


def _key(entry: dict[str, Any]) -> jwt.PyJWK | None:
    """A key bound to the one algorithm that it is for; None when it is for something else, or broken."""
    kind, curve, key_id = entry.get("kty"), entry.get("crv"), entry.get("kid")
    algorithm = _ALGORITHM_OF.get((str(kind), None if kind == "RSA" else str(curve)))
    declared = str(entry.get("alg", algorithm))
    if algorithm is None or _ALSO_CALLED.get(declared, declared) != algorithm:
        return None
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    if "d" in entry or not (key_id is None or isinstance(key_id, str)):
        return None  # a private key must not be there at all
    try:
        return jwt.PyJWK(entry, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


class FetchPlan:
    """When the keys are to be fetched.

    Args:
        now: seconds of any steady clock; the first request is due at once.
        stale_seconds: for how long keys count; before that they are fetched twice more at least.
    """

    def __init__(self, now: float, stale_seconds: float) -> None:
        self.due = now
        self._refresh = min(REFRESH_SECONDS, stale_seconds / 3)
        self._began = float("-inf")
        self._failures = 0

    def begun(self, now: float) -> None:
        """A request goes out."""
        self._began = now

    def succeeded(self, now: float) -> None:
        """Keys came."""
        self._failures = 0
        self.due = now + self._refresh

    def failed(self, now: float) -> None:
        """None came; the next attempt follows soon, then less and less often."""
        first, longest = RETRY_SECONDS
        self.due = now + min(first * 2 ** min(self._failures, 16), longest)
        self._failures += 1

    def ask(self, now: float) -> bool:
        """A token was shown that the keys at hand cannot tell of: whether a request is due for it now."""
        if now - self._began < ASK_SECONDS:
            return False
        self.due = now
        return True
