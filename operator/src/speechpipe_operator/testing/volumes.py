"""A provisioner that only pretends: its volumes are API objects, which the real controllers bind to claims."""

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Literal, Self

import aiohttp

from speechpipe_operator.spec.kubernetes import amount_of
from speechpipe_operator.testing.follow import DELETED, follow
from speechpipe_operator.testing.rest import ApiError, Json, Rest

PROVISIONER: Final = "speechpipe.dev/fake"
CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"
VOLUMES: Final = "/api/v1/persistentvolumes"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
"""Annotation that the scheduler sets on a claim that waits for its first consumer."""


class FakeProvisioner:
    """Serves one StorageClass while it is entered (``async with``): makes a volume for each claim, grows it when its
    claim asks for more, deletes it after its claim.

    Args:
        rest: the cluster, as its administrator; its owner closes it.
        name: of the StorageClass, which must be new.
        binding: when a claim gets its volume.
        expansion: whether the API server lets a claim grow.
        default: claims that name no class get this one.
    """

    def __init__(
        self,
        rest: Rest,
        name: str,
        *,
        binding: Literal["Immediate", "WaitForFirstConsumer"] = "WaitForFirstConsumer",
        expansion: bool = True,
        default: bool = False,
    ) -> None:
        self.name = name
        self.grows = True
        """Set it to False to leave growing claims as they are, as a broken driver does."""
        self._rest = rest
        self._waits = binding == "WaitForFirstConsumer"
        marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
        self._class = {
            "metadata": {"name": name, "annotations": marks},
            "provisioner": PROVISIONER,
            "volumeBindingMode": binding,
            "allowVolumeExpansion": expansion,
            "reclaimPolicy": "Delete",
        }
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Make the class and begin to serve it."""
        await self._rest.post(CLASSES, self._class)
        self._loops = [asyncio.create_task(loop) for loop in (self._serve_claims(), self._reclaim())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the class; volumes that are in use stay."""
        for loop in self._loops:
            loop.cancel()
        failures = await asyncio.gather(*self._loops, return_exceptions=True)
        await self._rest.discard(f"{CLASSES}/{self.name}")
        for failure in failures:
            if isinstance(failure, Exception):
                raise failure

    async def _serve_claims(self) -> None:
        async for kind, claim in follow(self._rest, "/api/v1/persistentvolumeclaims"):
            if kind == DELETED or claim["spec"].get("storageClassName") != self.name:
                continue
            with contextlib.suppress(ApiError, aiohttp.ClientError, OSError):  # the next event or listing tells again
                if claim.get("status", {}).get("phase") == "Bound":
                    await self._grow(claim)
                elif not self._waits or SELECTED_NODE in claim["metadata"].get("annotations", {}):
                    await self._rest.post(VOLUMES, self._volume(claim))

    async def _grow(self, claim: Json) -> None:
        asked, has = claim["spec"]["resources"]["requests"]["storage"], claim["status"]["capacity"]["storage"]
        if not self.grows or amount_of(asked) <= amount_of(has):
            return
        await self._rest.merge(f"{VOLUMES}/{claim['spec']['volumeName']}", {"spec": {"capacity": {"storage": asked}}})
        meta = claim["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/persistentvolumeclaims/{meta['name']}/status"
        await self._rest.merge(path, {"status": {"capacity": {"storage": asked}}})

    async def _reclaim(self) -> None:
        async for kind, volume in follow(self._rest, VOLUMES):
            ours = volume["spec"].get("storageClassName") == self.name
            if ours and kind != DELETED and volume.get("status", {}).get("phase") == "Released":
                with contextlib.suppress(ApiError, aiohttp.ClientError, OSError):
                    await self._rest.discard(f"{VOLUMES}/{volume['metadata']['name']}")

    def _volume(self, claim: Json) -> Json:
        meta, spec = claim["metadata"], claim["spec"]
        return {
            "metadata": {
                "name": f"pvc-{meta['uid']}",
                "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
            },
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "storageClassName": self.name,
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": {key: meta[key] for key in ("namespace", "name", "uid")},
                "hostPath": {"path": f"/nowhere/{meta['uid']}"},
            },
        }
