"""The Lease as an object of the Kubernetes API (coordination.k8s.io/v1)."""

from speechpipe_operator.kube import Conflict, KubeApi, KubeError
from speechpipe_operator.objects import Object
from speechpipe_operator.runtime.lease import LeaseConflictError, LeaseError
from speechpipe_operator.runtime.lease_core import Record


class KubeLease:
    """One Lease.

    Args:
        api: one that is not guarded by this very lease.
        namespace: of the Lease.
        name: of the Lease.
    """

    def __init__(self, api: KubeApi, namespace: str, name: str) -> None:
        self._api, self._namespace, self._name = api, namespace, name

    async def read(self) -> Record | None:
        """What it says; None where there is none."""
        try:
            found = await self._api.find("Lease", self._namespace, self._name)
        except KubeError as error:
            raise LeaseError(str(error)) from error
        return None if found is None else _record(found)

    async def write(self, record: Record) -> Record:
        """Create it, or replace what its version says."""
        try:
            if not record.version:
                metadata = {"name": self._name, "namespace": self._namespace}
                lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
                return _record(await self._api.create(lease | {"spec": _spec(record)}))
            body = {"metadata": {"resourceVersion": record.version}, "spec": _spec(record)}
            return _record(await self._api.patch("Lease", self._namespace, self._name, body))
        except Conflict as error:
            raise LeaseConflictError(str(error)) from error
        except KubeError as error:
            raise LeaseError(str(error)) from error


def _spec(record: Record) -> Object:
    return {
        "holderIdentity": record.holder,
        "leaseDurationSeconds": record.duration,
        "renewTime": record.renewed,
        "acquireTime": record.acquired,
        "leaseTransitions": record.transitions,
    }


def _record(lease: Object) -> Record:
    spec = lease.get("spec") or {}
    return Record(
        holder=spec.get("holderIdentity") or "",
        duration=int(spec.get("leaseDurationSeconds") or 1),
        renewed=spec.get("renewTime") or "",
        acquired=spec.get("acquireTime") or "",
        transitions=int(spec.get("leaseTransitions") or 0),
        version=lease["metadata"]["resourceVersion"],
    )
