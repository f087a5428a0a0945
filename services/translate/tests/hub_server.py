"""As much of the Hugging Face Hub as looking for a model and fetching it ask for, on loopback."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".bin", ".safetensors", ".spm", ".h5")
"""Endings of files that the hub stores apart and names by their SHA-256; others have git's digest."""

Files = Mapping[str, bytes]


def digest_of(name: str, data: bytes) -> str:
    """What the hub calls this file by."""
    if name.endswith(LARGE):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class HubServer(ThreadingHTTPServer):
    """Repositories by name, and the paths that were asked for; ``status`` other than 200 is its answer to anything."""

    daemon_threads = True

    def __init__(self, repositories: Mapping[str, Files]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories = repositories
        self.asked: list[str] = []
        self.status = 200
        self.torn: set[str] = set()
        """Names of files whose content arrives changed."""

    @property
    def models_asked(self) -> list[str]:
        """Which repositories were looked for; the library also asks for things of its own."""
        return [path.removeprefix("/api/models/") for path in self.asked if path.startswith("/api/models/")]

    @property
    def environment(self) -> dict[str, str]:
        """What sends huggingface_hub here."""
        return {"HF_ENDPOINT": f"http://127.0.0.1:{self.server_address[1]}", "HF_HUB_OFFLINE": "0"}


class _Handler(BaseHTTPRequestHandler):
    server: HubServer

    def do_GET(self) -> None:
        """What a repository has, or one of its files."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """A file's digest and size."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        self.server.asked.append(self.path)
        path = self.path.partition("?")[0].strip("/").split("/")
        api = path[:2] == ["api", "models"]
        owner, name, *rest = path[2:] if api else path
        files = self.server.repositories.get(f"{owner}/{name}")
        if self.server.status != 200:
            self._send(self.server.status, b"busy", {}, body)
        elif files is None:  # the real one does not tell what is missing from what is private
            self._send(401, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"}, body)
        elif api:
            self._json(_tree(files) if "tree" in rest else _info(f"{owner}/{name}", files), body)
        elif rest[-1] not in files:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, body)
        else:
            self._file(rest[-1], files[rest[-1]], body)

    def _file(self, name: str, data: bytes, body: bool) -> None:
        headers = {"ETag": f'"{digest_of(name, data)}"', "X-Repo-Commit": COMMIT}
        if name in self.server.torn:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self._send(200, data, headers, body)

    def _json(self, value: object, body: bool) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"}, body)

    def _send(self, status: int, data: bytes, headers: Mapping[str, str], body: bool) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _info(repository: str, files: Files) -> dict[str, Any]:
    return {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}


def _tree(files: Files) -> list[dict[str, Any]]:
    listing: list[dict[str, Any]] = []
    for name, data in files.items():
        entry = {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        if name.endswith(LARGE):
            entry["lfs"] = {"oid": digest_of(name, data), "size": len(data), "pointerSize": 130}
        listing.append(entry)
    return listing


@contextmanager
def serving(repositories: Mapping[str, Files]) -> Iterator[HubServer]:
    """A hub with these repositories (``owner/name``) while the block runs."""
    server = HubServer(repositories)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
