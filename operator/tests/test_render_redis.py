"""The rendered Redis, started for real by its own command and configuration."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError
from render_support import main_container, of, one, rendered

from speechpipe_common.testing import eventually, free_port
from speechpipe_operator.local.valkey import find_server
from speechpipe_operator.objects import Object


def objects(spec: str = "") -> list[Object]:
    """Everything rendered for a small Redis."""
    return rendered(of(spec or "  redis: {managed: {memory: 64Mi}}\n"))


@asynccontextmanager
async def started(directory: Path, **passwords: str) -> AsyncIterator[int]:
    """The container's command with its configuration, folders moved below ``directory``; its port."""
    port = free_port()
    folders = {"/etc/redis": directory / "etc", "/run/redis": directory / "run", "/data": directory / "data"}
    for folder in (*folders.values(), directory / "bin"):
        folder.mkdir(exist_ok=True)
    if not (directory / "bin" / "valkey-server").exists():
        (directory / "bin" / "valkey-server").symlink_to(find_server())

    def moved(text: str) -> str:
        for path, folder in folders.items():
            text = text.replace(path, str(folder))
        return text

    config = moved(one(objects(), "ConfigMap")["data"]["redis.conf"])
    config = config.replace("port 6379", f"port {port}").replace("bind * -::*", "bind 127.0.0.1")
    (directory / "etc" / "redis.conf").write_text(config)
    shell, option, script = main_container(one(objects(), "StatefulSet"))["command"]
    env = {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}", **passwords}
    process = await asyncio.create_subprocess_exec(shell, option, moved(script), env=env)
    try:
        await eventually(lambda: _answers(port), f"Redis on port {port}")
        yield port
    finally:
        process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    async with Redis(port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0)) as client:
        try:
            await client.ping()
        except (AuthenticationError, NoPermissionError):
            return True  # it wants a password
        except RedisError:
            return False
    return True


async def test_redis_starts_and_keeps_what_it_was_told(tmp_path: Path) -> None:
    """The command of the pod starts a server that never evicts, persists, and lets only the password in."""
    async with started(tmp_path, REDISCLI_AUTH="first-_one") as port:
        async with Redis(port=port, password="first-_one", decode_responses=True) as client:
            config = await client.config_get("maxmemory*", "append*", "save")
            assert config["maxmemory"] == str(64 * 1024 * 1024)
            assert (config["maxmemory-policy"], config["appendonly"], config["save"]) == ("noeviction", "yes", "")
            await client.xadd("audio_jobs", {"job": "1"})
        for password in ("other", None):
            async with Redis(port=port, password=password) as client:
                with pytest.raises((AuthenticationError, NoPermissionError)):
                    await client.ping()
    async with started(tmp_path, REDISCLI_AUTH="first-_one") as port, Redis(port=port, password="first-_one") as client:
        assert await client.xlen("audio_jobs") == 1


async def test_the_password_can_be_changed_under_clients(tmp_path: Path) -> None:
    """While both passwords are in the Secret, Redis takes both."""
    async with started(tmp_path, REDISCLI_AUTH="new", PREVIOUS="old") as port:
        for password in ("new", "old"):
            async with Redis(port=port, password=password) as client:
                assert await client.ping()


async def test_the_passwords_are_nobody_elses(tmp_path: Path) -> None:
    """The file with the passwords can be read by Redis alone, and no argument holds them."""
    async with started(tmp_path, REDISCLI_AUTH="secret-word") as port:
        acl = tmp_path / "run" / "users.acl"
        assert acl.stat().st_mode & 0o077 == 0
        assert "secret-word" in acl.read_text()
        async with Redis(port=port, password="secret-word") as client:
            pid = int((await client.info("server"))["process_id"])
        assert "secret-word" not in " ".join(psutil.Process(pid).cmdline())


async def test_no_password_no_start(tmp_path: Path) -> None:
    """Without its Secret the container fails, instead of serving everybody."""
    script = main_container(one(objects(), "StatefulSet"))["command"][2].replace("/run/redis", str(tmp_path))
    process = await asyncio.create_subprocess_exec("sh", "-c", script, env={"PATH": os.environ["PATH"]})
    assert await process.wait() != 0
    assert not (tmp_path / "users.acl").exists() or not (tmp_path / "users.acl").read_text()
