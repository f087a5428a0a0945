"""The operator's process: stands by, becomes active when it wins the lease, and ends when it loses it."""

import asyncio
import os
import secrets
import sys
from collections.abc import Awaitable
from typing import Final

from speechpipe_common.logs import configure, get_logger
from speechpipe_common.metrics import process_registry
from speechpipe_common.process import instance_name, run
from speechpipe_operator.kube import ApiClient, Call, KubeApi, NoCluster, Retry, connect
from speechpipe_operator.runtime.active import Active
from speechpipe_operator.runtime.checks import Checks
from speechpipe_operator.runtime.health import HealthThread, Heart, Wellness
from speechpipe_operator.runtime.lease import LeaseKeeper, NotActiveError
from speechpipe_operator.runtime.lease_core import Candidate, Terms
from speechpipe_operator.runtime.lease_store import KubeLease
from speechpipe_operator.runtime.metrics import OperatorMetrics
from speechpipe_operator.runtime.settings import OperatorSettings

LOST_EXIT: Final = 3
"""Exit status of a process that has lost the lease: its pod is started anew and stands by."""

BEAT_SECONDS: Final = 1.0

_log = get_logger(__name__)


def serve(settings: OperatorSettings) -> int:
    """Run the operator until SIGTERM; the exit status."""
    # Chance is always added: two pods may have been given the same name, and must not take each other for themselves.
    identity = f"{instance_name('operator', settings.instance_id)}-{secrets.token_hex(2)}"
    configure(component="operator", instance_id=identity, level=settings.log_level, form=settings.log_format)

    async def main(stop: asyncio.Event) -> None:
        await Process(settings, identity).run(stop)

    return run(main)


class Process:
    """All that one process holds.

    Args:
        settings: from the environment.
        identity: of this process, in the Lease and in events.
    """

    def __init__(self, settings: OperatorSettings, identity: str) -> None:
        self._settings, self._identity = settings, identity
        self._metrics = OperatorMetrics(process_registry())
        self._wellness = Wellness(self._metrics.registry)
        self._heart = Heart("the event loop", settings.stall_seconds)
        self._wellness.hearts = (self._heart,)

    async def run(self, stop: asyncio.Event) -> None:
        """Stand by, be active, end."""
        settings = self._settings
        health = HealthThread(self._wellness, settings.health_host, settings.health_port)
        _log.info("listening", port=health.port, namespaces=list(settings.namespaces) or "all")
        beating = asyncio.create_task(self._beat())
        try:
            client = await connect()
        except NoCluster as error:
            _log.error("no_cluster", reason=str(error))
            sys.exit(1)
        try:
            await self._with(client, stop)
        finally:
            beating.cancel()
            health.close()
            await client.close()  # type: ignore[no-untyped-call]

    async def _with(self, client: ApiClient, stop: asyncio.Event) -> None:
        settings = self._settings
        free = KubeApi(client, on_call=self._count)
        quick = KubeApi(client, on_call=self._count, retry=Retry(attempts=1))
        store = KubeLease(quick, settings.operator_namespace, settings.lease_name)
        keeper = LeaseKeeper(store, Candidate(self._identity, Terms(settings.lease_seconds)), self._metrics)
        checks = Checks(free, settings, self._wellness, self._metrics)
        if not await _unless(stop, self._stand_by(keeper, checks)):
            return
        self._wellness.state = "active"
        guarded = KubeApi(client, on_call=self._count, guard=lambda call: _guard(keeper, call))
        active = Active(settings, self._identity, guarded, checks, self._wellness, self._metrics)
        try:
            finished = await _unless(stop, active.run(keeper))
        except NotActiveError as error:
            _log.error("lease_lost", reason=str(error), status=LOST_EXIT)
            # At once: an orderly end would take seconds in which somebody else is active, and there is nothing to save.
            sys.stderr.flush()
            os._exit(LOST_EXIT)
        await active.close()
        if not finished:
            await keeper.release()

    async def _stand_by(self, keeper: LeaseKeeper, checks: Checks) -> None:
        """Be ready to take over at any moment."""
        looking = asyncio.create_task(_keep_looking(checks))
        try:
            await keeper.acquire()
        finally:
            looking.cancel()

    async def _beat(self) -> None:
        while True:
            self._heart.beat()
            await asyncio.sleep(BEAT_SECONDS)

    def _count(self, call: Call, status: int, _seconds: float) -> None:
        resource = f"{call.kind}/{call.subresource}" if call.subresource else call.kind
        self._metrics.request(call.verb, resource, status or "error")


async def _keep_looking(checks: Checks) -> None:
    while True:
        await checks.look()
        await checks.wait()


def _guard(keeper: LeaseKeeper, call: Call) -> None:
    if call.verb not in ("get", "list"):
        keeper.check()


async def _unless(stop: asyncio.Event, work: Awaitable[None]) -> bool:
    """Do ``work`` to its end, or cancel it when ``stop`` is set; whether it came to its end.

    Raises:
        Exception: what ``work`` raises.
    """
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        await working
        return True
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
