"""Who may connect: API keys from a file, and the ids and tokens that the gateway itself makes.

The file holds one ``key-id:sha256-hex[:max-sessions]`` a line; empty lines and lines that begin with ``#`` are
ignored. Keys are random (256 bits), so a plain SHA-256 of one gives nothing away. ``python -m speechpipe_gateway.auth
new-key ID`` makes a key and its line.
"""

import argparse
import hashlib
import hmac
import re
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from speechpipe_common.logs import get_logger

log = get_logger(__name__)

RELOAD_SECONDS: Final = 1.0
"""How often the key file is looked at, at most."""

_LINE: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63}):([0-9a-fA-F]{64})(?::([1-9][0-9]{0,6}))?")
_KEY_BYTES: Final = 32
_SESSION_ID_BYTES: Final = 16

_Signature = tuple[int, int, int]


class KeysFileError(ValueError):
    """The key file cannot be used; the message names file and line, never a key or its hash."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as the gateway knows it."""

    id: str
    digest: bytes
    """SHA-256 of the key."""
    max_sessions: int | None = None
    """Sessions on one gateway; None: ``MAX_SESSIONS_PER_KEY``."""


ANYBODY: Final = ApiKey("anybody", b"")
"""Who connects when ``AUTH=off``."""


def parse_keys(text: str) -> tuple[ApiKey, ...]:
    """The keys of a key file.

    Raises:
        KeysFileError: a line is malformed, an id occurs twice, or there is no key.
    """
    keys: dict[str, ApiKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        match = _LINE.fullmatch(entry)
        if match is None:
            raise KeysFileError(f"line {number} is not key-id:sha256-hex[:max-sessions]; make one with new-key ID")
        name, digest, sessions = match.groups()
        if name in keys:
            raise KeysFileError(f"line {number} has the key id {name!r} again; give each key an id of its own")
        keys[name] = ApiKey(name, bytes.fromhex(digest), int(sessions) if sessions else None)
    if not keys:
        raise KeysFileError("there is no key; make one with new-key ID")
    return tuple(keys.values())


class KeyRing:
    """The keys of a file, read again when it changes.

    A changed file that cannot be used is logged as an error, and the keys stay as they were.

    Args:
        path: The key file; a mounted Secret's file is fine.
        now: Seconds of any steady clock, the one that :meth:`find` is given.

    Raises:
        KeysFileError: the file cannot be read or used now.
    """

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        self._looked_at = now
        self._signature = self._sign()
        self._keys = self._read()

    def find(self, token: str, now: float) -> ApiKey | None:
        """The key that ``token`` is, or None. Takes the same time whichever key it is or nearly is."""
        if now - self._looked_at >= RELOAD_SECONDS:
            self._looked_at = now
            self._reload()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _reload(self) -> None:
        try:
            signature = self._sign()
            if signature == self._signature:
                return
            self._signature = signature
            self._keys = self._read()
        except KeysFileError as error:
            log.error("API keys not reloaded, the old ones stay valid", reason=str(error))
        else:
            log.info("API keys reloaded", keys=len(self._keys))

    def _sign(self) -> _Signature | None:
        """Changes with the file's contents; a Secret's update swaps a link, which shows in the inode."""
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> tuple[ApiKey, ...]:
        try:
            return parse_keys(self._path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise KeysFileError(f"cannot read the key file {self._path}: {error}") from error
        except KeysFileError as error:
            raise KeysFileError(f"{self._path}: {error}") from error


def new_key(key_id: str, max_sessions: int | None = None) -> tuple[str, str]:
    """A new API key and its line for the key file.

    Raises:
        KeysFileError: the id (or the number of sessions) cannot stand in a key file.
    """
    key = f"sp_{secrets.token_urlsafe(_KEY_BYTES)}"
    line = f"{key_id}:{hashlib.sha256(key.encode()).hexdigest()}"
    if max_sessions is not None:
        line += f":{max_sessions}"
    if _LINE.fullmatch(line) is None:
        raise KeysFileError(
            f"key id {key_id!r} with {max_sessions} sessions cannot be used; take an id of up to 64 letters, digits, "
            "'.', '_' and '-', and at least 1 session"
        )
    return key, line


def new_session_id() -> str:
    """128 random bits, URL-safe."""
    return secrets.token_urlsafe(_SESSION_ID_BYTES)


def new_token() -> str:
    """256 random bits, URL-safe: shown once to the client, stored as :func:`hash_token`."""
    return secrets.token_urlsafe(_KEY_BYTES)


def hash_token(token: str) -> str:
    """What is stored of a resume token: its SHA-256 in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def verify_token(token: str, stored: str) -> bool:
    """Whether ``token`` hashes to ``stored``, compared in constant time."""
    return hmac.compare_digest(hash_token(token).encode(), stored.encode("utf-8", "surrogatepass"))


def main(arguments: Sequence[str]) -> int:
    """Make a key: ``new-key ID [--max-sessions N]``. Prints the key, then its line for the key file."""
    parser = argparse.ArgumentParser(prog="python -m speechpipe_gateway.auth", description="API keys of the gateway.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("new-key", help="make a key and the line that lets it in")
    command.add_argument("id", help="name of the key's owner in limits and logs")
    command.add_argument("--max-sessions", type=int, metavar="N", help="sessions of this key on one gateway")
    options = parser.parse_args(arguments)
    try:
        key, line = new_key(options.id, options.max_sessions)
    except KeysFileError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(f"key (for the client, shown only now): {key}\nline (for API_KEYS_FILE): {line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
