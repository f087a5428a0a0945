"""The gateway process: everything is made here, run, and taken down in order."""

import asyncio
import gc
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager

import uvicorn
import uvloop

from speechpipe_common import process
from speechpipe_common.blocking import LoopWatch
from speechpipe_common.health import HealthServer, HealthSource, all_failing
from speechpipe_common.logs import configure, get_logger
from speechpipe_common.metrics import process_registry
from speechpipe_common.tracing import open_tracing
from speechpipe_gateway.admission import Limits, has_room
from speechpipe_gateway.app.captions import Captions
from speechpipe_gateway.app.credentials import open_credentials
from speechpipe_gateway.app.door import Door
from speechpipe_gateway.app.files import Files, open_files
from speechpipe_gateway.app.listening import bind
from speechpipe_gateway.app.page import add_page
from speechpipe_gateway.app.processes import serve_many
from speechpipe_gateway.app.server import Gateway, create_app, entrances
from speechpipe_gateway.app.services import ConnectionLimits, Services
from speechpipe_gateway.app.sockets import FirmWebSocket, http_within
from speechpipe_gateway.containers.stream import Unpackers
from speechpipe_gateway.live.factory import SessionFactory
from speechpipe_gateway.live.feeds import Feeds
from speechpipe_gateway.live.shards import Shards, open_shards
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session import Options
from speechpipe_gateway.settings import GatewaySettings
from speechpipe_gateway.vad import Silero, VadBatcher, VadRule, model_path

COMPONENT = "gateway"
NEW_LOOP = uvloop.new_event_loop

log = get_logger(__name__)


def run(settings: GatewaySettings) -> int:
    """Serve until SIGTERM, in one process or several; returns the exit status."""
    instance = prepare(settings)
    work = serve if settings.gateway_processes == 1 else serve_many
    return process.run(lambda stop: work(settings, instance, stop), NEW_LOOP)


def prepare(settings: GatewaySettings) -> str:
    """Set up logging; returns the process's name."""
    instance = process.instance_name(COMPONENT, settings.instance_id)
    configure(component=COMPONENT, instance_id=instance, level=settings.log_level, form=settings.log_format)
    return instance


async def serve(
    settings: GatewaySettings,
    instance: str,
    stop: asyncio.Event,
    *,
    shared: bool = False,
    on_health: Callable[[int], None] = lambda _: None,
) -> None:
    """Serve until ``stop`` is set, then drain.

    Args:
        settings: of the process.
        instance: its name.
        stop: set from outside.
        shared: other processes listen on the same port.
        on_health: told the port of its health.
    """
    registry = process_registry()
    metrics, limits = GatewayMetrics(registry), _limits(settings)
    credentials = open_credentials(settings, registry)
    shards = open_shards(
        settings, registry, metrics, instance, lambda queue: has_room(limits, queue.depth, queue.memory)
    )
    metrics.capacity.limits(limits, len(shards.placing))
    emptied = shards.every[len(shards.placing) :]
    door = Door(limits, credentials, [shard.queue for shard in shards.placing], [shard.queue for shard in emptied])
    async with AsyncExitStack() as stack:
        stack.push_async_callback(shards.close)
        model = await asyncio.to_thread(Silero, model_path())
        vad = VadBatcher(model, lambda seconds, _: metrics.vad_batch_seconds.observe(seconds))
        await stack.enter_async_context(vad)
        tracing = open_tracing(settings, COMPONENT, instance)
        stack.push_async_callback(tracing.close)
        services = _services(settings, SessionFactory(settings, shards, metrics, tracing, instance), vad, metrics)
        gateway = Gateway(services, door, settings.origins)
        files = open_files(services, door, settings)
        source = HealthSource(
            instance_id=instance,
            registry=registry,
            checks={
                "redis": all_failing([shard.check for shard in shards.placing]),
                "draining": lambda: "the gateway is shutting down" if door.draining else None,
                "tokens": lambda: credentials.missing() if credentials else None,
            },
            notices=shards.notices(),
            queue_depth=shards.read_depth,
            max_queue_depth=settings.max_queue_depth,
        )
        health = HealthServer(source, settings.health_host, settings.health_port)
        await stack.enter_async_context(health)
        on_health(health.port)
        async with asyncio.TaskGroup() as tasks:
            works = [shard.run() for shard in shards.every]
            works += [credentials.keep_fresh()] if credentials else []
            works += [LoopWatch(registry).run()]
            running = [tasks.create_task(work) for work in works]
            # What is here now stays: looked through at each full collection, it would stop the loop for 50 ms and more.
            gc.collect()
            gc.freeze()
            listener = bind(settings.gateway_host, settings.gateway_port, shared=shared)
            await _serve_http(settings, listener, gateway, files, shards, stop)
            for task in running:
                task.cancel()


async def _serve_http(
    settings: GatewaySettings,
    listener: socket.socket,
    gateway: Gateway,
    files: Files,
    shards: Shards,
    stop: asyncio.Event,
) -> None:
    application = create_app(gateway, entrances(settings.openai_names))
    files.add_to(application)
    captions = Captions(Feeds(shards, settings.max_caption_readers))
    captions.add_to(application)
    add_page(
        application,
        needs_key=settings.auth == "required",
        options=Options(settings.default_source, settings.default_targets),
    )
    config = uvicorn.Config(
        application,
        host=settings.gateway_host,
        port=settings.gateway_port,
        http=http_within(settings.auth_timeout_seconds),
        ws=FirmWebSocket,
        ws_max_size=settings.max_message_bytes,
        ws_per_message_deflate=False,
        # A client whose audio has to wait is not read, so its pongs are late as well; idle_timeout finds the dead.
        ws_ping_interval=20.0,
        ws_ping_timeout=120.0,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=int(settings.drain_seconds) + 1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([listener]))
    log.info("listening", host=settings.gateway_host, port=listener.getsockname()[1], path="/ws")
    await stop.wait()
    await gateway.drain()
    captions.close()
    began = time.monotonic()
    await files.drain(settings.drain_seconds / 2)
    await shards.drain(settings.drain_seconds - (time.monotonic() - began))
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    """Leaves signals to the process: ``process.run`` has them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture nothing."""
        yield


def _services(settings: GatewaySettings, factory: SessionFactory, vad: VadBatcher, metrics: GatewayMetrics) -> Services:
    return Services(
        factory=factory,
        vad=vad,
        rule=VadRule.of_sensitivity(settings.silero_sensitivity),
        webrtc_aggressiveness=settings.webrtc_sensitivity,
        sample_rate=settings.sample_rate,
        options=Options(settings.default_source, settings.default_targets),
        metrics=metrics,
        unpackers=Unpackers(settings.max_recordings),
        limits=ConnectionLimits(
            idle_seconds=settings.idle_timeout_seconds,
            session_seconds=settings.max_session_seconds,
            messages_per_second=settings.max_messages_per_second,
        ),
    )


def _limits(settings: GatewaySettings) -> Limits:
    return Limits(
        max_sessions=settings.max_sessions,
        max_sessions_per_key=settings.max_sessions_per_key,
        max_queue_depth=settings.max_queue_depth,
        max_memory_percent=settings.max_memory_percent,
        max_unauthenticated=settings.max_unauthenticated,
        max_unauthenticated_per_address=settings.max_unauthenticated_per_address,
        auth_timeout_seconds=settings.auth_timeout_seconds,
        pre_auth_bytes=settings.pre_auth_bytes,
    )
