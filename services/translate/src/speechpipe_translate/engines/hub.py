"""OPUS-MT models of the Hugging Face Hub: looked for when a route needs the pair, fetched when a text does.

A list of all pairs would be over a thousand repositories on many pages, and most are never wanted; a question about one
takes one round trip, and its answer is kept. What is in the hub's cache is taken as it is, without a question.
"""

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import huggingface_hub
from huggingface_hub import constants, errors

from speechpipe_common.logs import get_logger
from speechpipe_common.redaction import redact_url
from speechpipe_translate.engines.folders import names_of, pair_of
from speechpipe_translate.errors import EngineFailed, HubUnreachable
from speechpipe_translate.routes import Pair

OWNER: Final = "Helsinki-NLP"

_FILES: Final = ("config.json", "vocab.json", "source.spm", "target.spm")
_OPTIONAL: Final = ("generation_config.json", "special_tokens_map.json", "tokenizer_config.json")
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")
"""Either will do; many repositories have only the older one, and some a third and a fourth for other frameworks."""

_ASK_SECONDS: Final = 5.0
"""How long the hub may take to say whether it has a model."""
_ABSENT_SECONDS: Final = 3600.0
"""How long its "no" is believed; a "yes" always."""
_PAUSE_SECONDS: Final = 10.0
"""How long it is not asked again after it failed to answer, so that not every text waits for it."""

_SHA256_DIGITS: Final = 64
_BLOB: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_log = get_logger(__name__)

# HTTPError is that of requests or httpx, whichever the library is built on; hf_xet's own errors are RuntimeErrors; a
# proxy's page in place of an answer is a ValueError.
_TROUBLE: Final = (
    errors.HTTPError,  # type: ignore[attr-defined]
    errors.XetDownloadError,
    OSError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the hub has for a pair; no repository when it has nothing."""

    asked_at: float
    repository: str = ""
    files: frozenset[str] = frozenset()


class Hub:
    """The models of one family, on the hub that ``HF_ENDPOINT`` names, kept in its cache (``HF_HOME``).

    Safe to use from any thread. ``HF_HUB_OFFLINE`` counts as ``offline``.

    Args:
        family: beginning of their names, such as ``opus-mt``.
        offline: open no connection; only what is in the cache is there.
    """

    def __init__(self, family: str, *, offline: bool) -> None:
        self._family = family
        self.offline = offline or constants.HF_HUB_OFFLINE
        self._listings: dict[Pair, _Listing] = {}
        self._paused_until = 0.0
        self._trouble = ""
        self._cached = _in_cache(family)

    @property
    def advice(self) -> str:
        """What to do about a pair that is neither on this machine nor on the hub."""
        name = f"{OWNER}/{self._family}-SOURCE-TARGET"
        if self.offline:
            return f"MODEL_OFFLINE or HF_HUB_OFFLINE is set; fetch a pair where it is not: hf download {name}"
        return f"{redact_url(constants.ENDPOINT)} has no {name} for them either; put a model of your own into MODEL_DIR"

    @property
    def cached(self) -> frozenset[Pair]:
        """Pairs that need no connection any more."""
        return frozenset(self._cached)

    def offers(self, pair: Pair) -> bool:
        """Whether the pair is in the cache or on the hub; asks at most once, and for a few seconds.

        Raises:
            HubUnreachable: it does not answer, or did not a moment ago.
        """
        return pair in self._cached or bool(not self.offline and self._listing(pair).repository)

    def fetch(self, pair: Pair) -> Path:
        """The folder of a pair that the hub ``offers``, in the layout of OPUS-MT; downloaded first, with progress.

        Raises:
            HubUnreachable: the download failed.
            EngineFailed: the files are not those that the hub's digests name.
        """
        if pair not in self._cached:
            self._cached[pair] = self._download(self._listing(pair))
        folder = self._cached[pair]
        _verify(folder)
        return folder

    def _download(self, listing: _Listing) -> Path:
        began = time.monotonic()
        weights = next(name for name in _WEIGHTS if name in listing.files)
        _log.info("model_fetching", repository=listing.repository, weights=weights)
        try:
            folder = huggingface_hub.snapshot_download(
                listing.repository, allow_patterns=[*_FILES, *_OPTIONAL, weights], etag_timeout=_ASK_SECONDS
            )
        except _TROUBLE as error:
            raise HubUnreachable(_failed(f"fetching {listing.repository}", error)) from error
        if not _is_whole(Path(folder)):
            # Where the hub goes away in between, the library hands out what the cache has.
            raise HubUnreachable(f"only a part of {listing.repository} was fetched; the next attempt goes on")
        _log.info("model_fetched", repository=listing.repository, seconds=round(time.monotonic() - began, 3))
        return Path(folder)

    def _listing(self, pair: Pair) -> _Listing:
        now = time.monotonic()
        known = self._listings.get(pair)
        if known and (known.repository or now - known.asked_at < _ABSENT_SECONDS):
            return known
        if now < self._paused_until:
            raise HubUnreachable(self._trouble)
        try:
            self._listings[pair] = listing = self._ask(pair)
        except _TROUBLE as error:
            self._trouble = _failed(f"asking for {pair}", error)
            self._paused_until = time.monotonic() + _PAUSE_SECONDS
            raise HubUnreachable(self._trouble) from error
        return listing

    def _ask(self, pair: Pair) -> _Listing:
        for name in names_of(pair, self._family):
            repository = f"{OWNER}/{name}"
            try:
                info = huggingface_hub.model_info(repository, timeout=_ASK_SECONDS)
            except errors.RepositoryNotFoundError:
                continue
            files = frozenset(sibling.rfilename for sibling in info.siblings or ())
            if files.issuperset(_FILES) and files.intersection(_WEIGHTS):
                return _Listing(time.monotonic(), repository, files)
        return _Listing(time.monotonic())


def _failed(what: str, error: Exception) -> str:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    return redact_url(
        f"{what} from {constants.ENDPOINT} failed: {reason}; check the connection, HF_ENDPOINT and HTTPS_PROXY, "
        "or put the model into MODEL_DIR and set MODEL_OFFLINE=true"
    )


def _is_whole(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _FILES) and any((folder / name).is_file() for name in _WEIGHTS)


def _in_cache(family: str) -> dict[Pair, Path]:
    """Whole models of the hub's cache; folders are named ``models--OWNER--NAME`` there."""
    found: dict[Pair, Path] = {}
    prefix = f"models--{OWNER}--"
    for entry in sorted(Path(constants.HF_HUB_CACHE).glob(f"{prefix}{family}-*-*")):
        name = entry.name.removeprefix(prefix)
        pair = pair_of(name, family)
        if pair is None or pair in found:
            continue
        try:
            folder = Path(
                huggingface_hub.snapshot_download(f"{OWNER}/{name}", allow_patterns=[*_FILES], local_files_only=True)
            )
        except errors.LocalEntryNotFoundError:
            continue
        if _is_whole(folder):
            found[pair] = folder
    return found


def _verify(folder: Path) -> None:
    """Compare the files of a snapshot with the digests that the hub's cache names their blobs by.

    Large files have their SHA-256, small ones git's SHA-1 of ``blob``, the size, a zero byte and the content. The
    library itself compares sizes only.
    """
    for file in folder.iterdir():
        blob = file.resolve()
        if not _BLOB.fullmatch(blob.name):
            continue  # a cache without links, on a file system that has none
        large = len(blob.name) == _SHA256_DIGITS
        digest = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % blob.stat().st_size, usedforsecurity=False)
        with blob.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        if digest.hexdigest() != blob.name:
            raise EngineFailed(
                f"{file} is damaged: its digest is {digest.hexdigest()}, the hub's {blob.name}; "
                f"remove {folder} and {blob} and restart the worker, which fetches it again"
            )
