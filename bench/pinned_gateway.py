"""The gateway that ``gateway_streams.py`` measures, on a core of its own, and what it needs around it."""

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from instant_worker import InstantWorker, working
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from shared import audioeval_folder, clip

from speechpipe_common.testing import ValkeyServer, eventually, free_port

RATE = 16_000
SPEAK_SECONDS, PAUSE_SECONDS = 8, 1


def speech() -> bytes:
    """PCM16LE of people talking without a pause longer than 0.3 s, but for one second after each eight."""
    pieces = []
    for path in sorted(audioeval_folder().glob("*/*.wav")):
        read = clip(path, "")
        frames = read.samples[: len(read.samples) // 160 * 160].reshape(-1, 160)
        loud = np.flatnonzero(np.sqrt((frames.astype(np.float32) ** 2).mean(axis=1)) > 300)
        runs = np.diff(loud, prepend=loud[0])
        keep = [np.arange(max(at - min(run, 30), 0), at + 1) for at, run in zip(loud, runs, strict=True)]
        pieces.append(frames[np.unique(np.concatenate(keep))].reshape(-1))
    talk = np.concatenate(pieces)
    parts = np.array_split(talk, len(talk) // (SPEAK_SECONDS * RATE))
    pause = np.zeros(PAUSE_SECONDS * RATE, np.int16)
    whole = np.concatenate([each for part in parts for each in (part, pause)])
    return whole[: len(whole) // 1_600 * 1_600].astype("<i2").tobytes()


@dataclass
class Bench:
    """What runs while streams are played."""

    gateway: psutil.Process
    port: int
    health_port: int
    redis: Redis
    worker: InstantWorker
    pcm: Path
    others: str


@asynccontextmanager
async def running(core: int, folder: Path) -> AsyncIterator[Bench]:
    """Valkey, worker and gateway."""
    cores = sorted(psutil.Process().cpu_affinity() or [])
    others = ",".join(str(each) for each in cores if each != core) or str(core)
    pcm = folder / "speech.pcm"
    pcm.write_bytes(speech())
    valkey = ValkeyServer(folder / "valkey")
    valkey.start()
    psutil.Process().cpu_affinity([each for each in cores if each != core] or cores)
    psutil.Process(valkey.pid).cpu_affinity([each for each in cores if each != core] or cores)
    gateway, port, health = start_gateway(valkey.url, core, folder)
    try:
        await ready(gateway, health, folder)
        async with working(valkey.url) as worker, Redis.from_url(valkey.url) as redis:
            yield Bench(psutil.Process(gateway.pid), port, health, redis, worker, pcm, others)
    finally:
        gateway.terminate()
        try:
            gateway.wait(60)
        finally:
            gateway.kill()
            valkey.kill()


def start_gateway(redis_url: str, core: int, folder: Path) -> tuple[subprocess.Popen[bytes], int, int]:
    """The process, its port and its health port."""
    port, health = free_port(), free_port()
    environment = {
        "REDIS_URL": redis_url,
        "GATEWAY_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "HEALTH_HOST": "127.0.0.1",
        "HEALTH_PORT": str(health),
        "AUTH": "off",
        "MAX_SESSIONS": "5000",
        "MAX_SESSIONS_PER_KEY": "5000",
        "MAX_QUEUE_DEPTH": "100000",
        "DETACHED_SECONDS": "0",
        "DRAIN_SECONDS": "2",
    }
    command = ["taskset", "-c", str(core), sys.executable, "-m", "speechpipe_gateway"]
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)  # noqa: S603
    return process, port, health


async def ready(gateway: subprocess.Popen[bytes], health: int, folder: Path) -> None:
    """Wait until it takes sessions."""

    def answers() -> bool:
        if gateway.poll() is not None:
            raise RuntimeError(f"the gateway did not become ready: {(folder / 'gateway.log').read_text()[-2000:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{health}/ready", timeout=2):
                return True
        except OSError:
            return False

    await eventually(lambda: asyncio.to_thread(answers), "a ready gateway")


async def metrics(bench: Bench) -> dict[str, float]:
    """The gateway's metrics by name and labels, as ``/metrics`` shows them."""

    def read() -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{bench.health_port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
        return {f"{each.name}{''.join(each.labels.values())}": each.value for each in samples}

    return await asyncio.to_thread(read)
