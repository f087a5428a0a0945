"""GPUs that are not there: nodes say that they have some, and the real scheduler counts them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kubectl import get, patch
from progress import until

GPU = "nvidia.com/gpu"
SEEN_SECONDS = 120.0


@contextmanager
def pretended(nodes: Sequence[str]) -> Iterator[None]:
    """Each of the nodes has one GPU inside the block."""
    given, has = (f"/status/{what}/{GPU.replace('/', '~1')}" for what in ("allocatable", "capacity"))
    for node in nodes:
        # A kubelet carries what its node has into what it can give, but takes its time.
        added = [{"op": "add", "path": path, "value": "1"} for path in (has, given)]
        patch("node", node, added, form="json", subresource="status")
    try:
        until(lambda: all(_given(node) == "1" for node in nodes), f"a GPU on {len(nodes)} nodes", SEEN_SECONDS)
        yield
    finally:
        for node in nodes:
            patch("node", node, [{"op": "remove", "path": has}], form="json", subresource="status")


def _given(node: str) -> str:
    return str(get("node", node)["status"]["allocatable"].get(GPU, "0"))
