"""Devices for dynamic resource allocation (resource.k8s.io/v1): a class, and slices that say how many a node has."""

from collections.abc import Mapping

from speechpipe_operator.testing.rest import Json, Rest

RESOURCES = "/apis/resource.k8s.io/v1"


async def publish_devices(rest: Rest, device_class: str, devices: Mapping[str, int]) -> None:
    """Offer ``devices[node]`` devices on each node, to claims that ask for ``device_class``.

    The driver's name is the class's, so that classes of different tests don't see each other's devices. Node names and
    class names must be new to the cluster; ``withdraw_devices`` takes them away.
    """
    selector = {"cel": {"expression": f'device.driver == "{device_class}"'}}
    await rest.post(
        f"{RESOURCES}/deviceclasses", {"metadata": {"name": device_class}, "spec": {"selectors": [selector]}}
    )
    for node, count in devices.items():
        await rest.post(f"{RESOURCES}/resourceslices", _slice(device_class, node, count))


async def withdraw_devices(rest: Rest, device_class: str) -> None:
    """Remove the class and its slices; claims that are allocated stay so."""
    for found in await rest.items(f"{RESOURCES}/resourceslices", fieldSelector=f"spec.driver={device_class}"):
        await rest.discard(f"{RESOURCES}/resourceslices/{found['metadata']['name']}")
    await rest.discard(f"{RESOURCES}/deviceclasses/{device_class}")


def claim_template(name: str, device_class: str, count: int = 1) -> Json:
    """A ResourceClaimTemplate that asks for ``count`` devices of the class."""
    request = {"name": "gpu", "exactly": {"deviceClassName": device_class, "count": count}}
    return {"metadata": {"name": name}, "spec": {"spec": {"devices": {"requests": [request]}}}}


def _slice(driver: str, node: str, count: int) -> Json:
    return {
        "metadata": {"name": f"{node}-{driver}"},
        "spec": {
            "driver": driver,
            "nodeName": node,
            "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": f"gpu-{index}", "attributes": {"index": {"int": index}}} for index in range(count)],
        },
    }
