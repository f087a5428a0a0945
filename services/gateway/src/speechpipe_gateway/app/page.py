"""The page at ``/``: static files that come with the package, and what the page must know of this gateway.

Everything is read, compressed and digested once, when the process starts; a request costs a look into a dictionary.
"""

import gzip
import hashlib
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from speechpipe_common.languages import all_languages
from speechpipe_gateway.session import Options

FOLDER: Final = "/page/"
"""Path of the page's parts; the page itself is at ``/``."""

_KINDS: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}
_FEATURES: Final = ("microphone", "display-capture", "fullscreen", "screen-wake-lock")
# The camera is not among these: where it is, Chromium complains about a tab that is shared.
_WITHHELD: Final = ("geolocation", "payment", "usb", "serial", "hid", "midi")
_HEADERS: Final[Mapping[str, str]] = {
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        [f"{name}=(self)" for name in _FEATURES] + [f"{name}=()" for name in _WITHHELD],
    ),
}
_ASKED_AGAIN: Final = "no-cache"
"""Nearly always answered with 304: a rollout shows at the next visit."""

_FOR_GOOD: Final = "max-age=31536000, immutable"
_WORKLET: Final = "worklet.js"
"""Loaded when somebody presses Start, maybe while the gateway is away: a browser keeps it, by its version."""

_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent."""

    kind: str
    body: bytes
    zipped: bytes
    version: str
    """Changes with the body."""

    @classmethod
    def of(cls, name: str, body: bytes) -> "PageFile":
        """A file by its name's ending.

        Raises:
            KeyError: what ends like this is no part of a page.
        """
        kind = _KINDS[name.rpartition(".")[2]]
        return cls(kind, body, gzip.compress(body, 9, mtime=0), hashlib.sha256(body).hexdigest()[:32])

    @property
    def etag(self) -> str:
        """As in the header."""
        return f'"{self.version}"'


def page_files(*, needs_key: bool, options: Options) -> dict[str, PageFile]:
    """Every path of the page, with what is there.

    Args:
        needs_key: clients must show an API key.
        options: languages where a client says none.
    """
    folder = resources.files("speechpipe_gateway").joinpath("page")
    files = {
        FOLDER + entry.name: PageFile.of(entry.name, entry.read_bytes())
        for entry in folder.iterdir()
        if entry.is_file() and entry.name.rpartition(".")[2] in _KINDS
    }
    files["/"] = files.pop(FOLDER + "index.html")
    files[FOLDER + "config.json"] = PageFile.of("config.json", _config(files, needs_key, options))
    return files


def policy(host: str | None) -> str:
    """The Content-Security-Policy of the page: nothing from anywhere but its own host.

    Args:
        host: the ``Host`` header. Where that is a host, its WebSockets are named too, for browsers whose ``'self'``
            means none.
    """
    sockets = f" ws://{host} wss://{host}" if host is not None and _HOST.fullmatch(host) else ""
    own = ("script-src", "style-src", "img-src")
    nothing = ("default-src", "base-uri", "form-action", "frame-ancestors")
    return "; ".join(
        [f"{name} 'none'" for name in nothing]
        + [f"{name} 'self'" for name in own]
        + [f"connect-src 'self'{sockets}", "require-trusted-types-for 'script'"]
    )


def add_page(app: FastAPI, *, needs_key: bool, options: Options) -> None:
    """Serve the page; see :func:`page_files`."""
    for path, file in page_files(needs_key=needs_key, options=options).items():
        app.add_route(path, _answering(file), methods=["GET"], include_in_schema=False)


def _answering(file: PageFile) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def answer(request: Request) -> Response:
        kept = request.query_params.get("v") == file.version
        headers = {
            **_HEADERS,
            "Cache-Control": _FOR_GOOD if kept else _ASKED_AGAIN,
            "ETag": file.etag,
            "Content-Security-Policy": policy(request.headers.get("host")),
        }
        if file.etag in _known(request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.zipped, media_type=file.kind, headers={**headers, "Content-Encoding": "gzip"})
        return Response(file.body, media_type=file.kind, headers=headers)

    return answer


def _known(header: str) -> set[str]:
    """ETags that a client has already; a proxy that compresses may have weakened them (RFC 9110, 8.8.3)."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _config(files: Mapping[str, PageFile], needs_key: bool, options: Options) -> bytes:
    languages = [
        {"code": one.code, "name": one.name, "aliases": one.aliases, "heard": one.whisper} for one in all_languages()
    ]
    worklet = f"{_WORKLET}?v={files[FOLDER + _WORKLET].version}"
    return msgspec.json.encode(
        {
            "key": needs_key,
            "source": options.source or "auto",
            "targets": options.targets,
            "worklet": worklet,
            "languages": languages,
        }
    )
