"""Where models come from: folders, the cache, a hub on loopback; and the worker that waits for one."""

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest

from speechpipe_common.testing import eventually, free_port
from speechpipe_stt.engine import Engine, ModelError
from speechpipe_stt.models import resolve
from speechpipe_stt.settings import SttSettings
from speechpipe_stt.worker import load_engine, serve

FILES = {
    "config.json": b"{}",
    "model.bin": b"weights",
    "tokenizer.json": b"{}",
    "vocabulary.json": b"[]",
    "README.md": b"not needed",
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def make_model(folder: Path) -> Path:
    """A folder with the files of a model."""
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    """A local folder with all files is the model, offline or not."""
    folder = make_model(tmp_path / "model")
    assert resolve(str(folder), offline=True) == folder


def test_a_folder_without_tokenizer_is_refused(tmp_path: Path) -> None:
    """A folder that would have faster-whisper fetch a tokenizer is refused by the missing file's name."""
    folder = make_model(tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"lacks tokenizer\.json"):
        resolve(str(folder), offline=True)


def test_a_wrong_digest_is_refused(tmp_path: Path) -> None:
    """Weights that differ from MODEL_SHA256 are refused; the right digest passes in any case."""
    folder = make_model(tmp_path / "model")
    right = hashlib.sha256(FILES["model.bin"]).hexdigest()
    assert resolve(str(folder), offline=True, sha256=right.upper()) == folder
    with pytest.raises(ModelError, match=right):
        resolve(str(folder), offline=True, sha256="0" * 64)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/no/such/folder", "no such folder"),
        ("bases", r"is no model.*\bbase\b.*tiny\.en"),
        ("base", r"speechpipe_common\.downloads whisper-base"),
        ("small", "hf download Systran/faster-whisper-small"),
        ("nobody/nothing", "hf download nobody/nothing"),
    ],
)
def test_offline_errors_say_what_to_do(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline with empty caches, each kind of name fails with its own remedy."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ModelError, match=message):
        resolve(name, offline=True)


def test_damage_in_the_cache_is_found(base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A packaged model whose weights changed on the disk is not loaded."""
    copy = tmp_path / "speechpipe" / base_model.name
    copy.mkdir(parents=True)
    for file in base_model.iterdir():
        (copy / file.name).symlink_to(file)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert resolve("base", offline=True) == copy
    (copy / "model.bin").unlink()
    (copy / "model.bin").write_bytes(b"damaged")
    with pytest.raises(ModelError, match=r"model\.bin is damaged"):
        resolve("base", offline=True)


class Hub(BaseHTTPRequestHandler):
    """As much of the Hugging Face Hub as a snapshot download asks for."""

    asked: list[str]

    def do_GET(self) -> None:
        """The list of a repository's files, or one of them."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """A file's metadata."""
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        self.asked.append(self.path)
        name = self.path.rsplit("/", 1)[-1]
        if self.path.startswith("/api/models/"):
            info = {"id": "me/model", "sha": COMMIT, "siblings": [{"rfilename": file} for file in FILES]}
            if "/tree/" in self.path:
                files = [
                    {"type": "file", "path": file, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                    for file, data in FILES.items()
                ]
                self._send(json.dumps(files).encode(), {"Content-Type": "application/json"}, body)
            else:
                self._send(json.dumps(info).encode(), {"Content-Type": "application/json"}, body)
        else:
            etag = hashlib.sha256(FILES[name]).hexdigest()
            self._send(FILES[name], {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body)

    def _send(self, data: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(200)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    """A hub on loopback."""
    handler = type("FreshHub", (Hub,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


RESOLVE = """
import sys
from speechpipe_stt.models import resolve
print(resolve(sys.argv[1], offline=sys.argv[2] == "offline"))
"""


def resolve_in_process(name: str, mode: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``resolve`` in a fresh process, since huggingface_hub reads its settings at import."""
    return subprocess.run(
        [sys.executable, "-c", RESOLVE, name, mode],
        env={**os.environ, "HF_HUB_DISABLE_XET": "1", **environment},
        capture_output=True,
        text=True,
        timeout=400,
    )


def test_a_hub_id_is_downloaded_once(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    """A hub id is fetched with progress and without what is not needed; offline it then comes from the cache alone."""
    endpoint = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HOME": str(tmp_path)}
    first = resolve_in_process("me/model", "online", **endpoint)
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.strip())
    assert (folder / "model.bin").read_bytes() == b"weights"
    assert not (folder / "README.md").exists()
    assert "%" in first.stderr
    asked: list[str] = hub.RequestHandlerClass.asked  # type: ignore[attr-defined]  # typeshed makes it a callable
    assert asked
    asked.clear()
    assert resolve_in_process("me/model", "offline", **endpoint).stdout == first.stdout
    assert resolve_in_process("me/model", "online", HF_HUB_OFFLINE="1", **endpoint).stdout == first.stdout
    assert asked == []


def test_without_pip_the_hub_has_the_packaged_models_too(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    """In an image, which has no pip, ``base`` comes from the hub; where the cache has it, that is taken."""
    endpoint = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HOME": str(tmp_path / "hub")}
    code = f"import sys; sys.modules['pip'] = None\n{RESOLVE}"
    done = subprocess.run(
        [sys.executable, "-c", code, "base", "online"],
        env={**os.environ, "HF_HUB_DISABLE_XET": "1", "XDG_CACHE_HOME": str(tmp_path), **endpoint},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert (Path(done.stdout.strip()) / "model.bin").read_bytes() == b"weights"
    asked: list[str] = hub.RequestHandlerClass.asked  # type: ignore[attr-defined]  # typeshed makes it a callable
    assert any("Systran/faster-whisper-base" in path for path in asked)


def test_damage_in_the_hub_cache_is_found(hub: ThreadingHTTPServer, tmp_path: Path) -> None:
    """Weights in the hub's cache that are not what the hub named them after are refused."""
    endpoint = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HOME": str(tmp_path)}
    folder = Path(resolve_in_process("me/model", "online", **endpoint).stdout.strip())
    (folder / "model.bin").resolve().write_bytes(b"wEights")
    again = resolve_in_process("me/model", "offline", **endpoint)
    assert again.returncode != 0
    assert "SHA-256" in again.stderr


def test_an_unreachable_hub_is_said(tmp_path: Path) -> None:
    """A hub that refuses connections gives one clear error with a remedy."""
    refused = resolve_in_process("me/model", "online", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path))
    assert refused.returncode != 0
    assert "ModelError: MODEL_SIZE=me/model" in refused.stderr


def test_a_worker_without_model_says_so_and_ends(tmp_path: Path) -> None:
    """A worker whose model cannot be had exits 1 with one log line that names the setting, and no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "speechpipe_stt"],
        env={**os.environ, "MODEL_SIZE": str(tmp_path / "none"), "HEALTH_PORT": "0", "LOG_FORMAT": "json"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 1
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["event"] == "model_unavailable"
    assert "MODEL_SIZE" in last["reason"]
    assert "Traceback" not in done.stderr


def test_a_model_that_does_not_load_is_explained(tmp_path: Path) -> None:
    """A folder of files that are no model is refused with the device and compute type that were tried."""
    folder = make_model(tmp_path / "model")
    with pytest.raises(ModelError, match=r"DEVICE=cpu COMPUTE_TYPE=auto"):
        load_engine(SttSettings(model_size=str(folder), device="cpu"))


async def test_readiness_waits_for_the_model(valkey: str, tiny_model: Path) -> None:
    """Until the model is in memory the worker is alive but not ready, and says why; then it is ready."""
    port, stop, gate = free_port(), asyncio.Event(), threading.Event()
    settings = SttSettings(
        redis_url=valkey, key_prefix="ready:", health_host="127.0.0.1", health_port=port, model_size=str(tiny_model)
    )

    def loader(wanted: SttSettings) -> Engine:
        gate.wait(60)
        return load_engine(wanted)

    async def ready() -> tuple[int, str]:
        async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{port}/ready") as response:
            return response.status, await response.text()

    async def answers() -> bool:
        try:
            return bool((await ready())[0])
        except aiohttp.ClientError:
            return False

    worker = asyncio.create_task(serve(settings, stop, loader))
    try:
        await eventually(answers, "an answer of the health server")
        status, body = await ready()
        assert status == 503
        assert "is loading" in body
        gate.set()

        async def is_ready() -> bool:
            return (await ready())[0] == 200

        await eventually(is_ready, "readiness", 120)
    finally:
        gate.set()
        stop.set()
        await worker
