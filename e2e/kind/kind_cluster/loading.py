"""Loads image archives into the nodes' containerd, those alone that a node does not have yet."""

import contextlib
import json
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kind_cluster import archive
from kind_cluster.cluster import Ground
from kind_cluster.steps import StepError, run, step

CTR = ("ctr", "--namespace=k8s.io")


def load(ground: Ground, archives: Sequence[Path], *, everywhere: bool = False) -> None:
    """Put the images of archives on the nodes.

    Args:
        ground: the cluster.
        archives: docker-archives or OCI archives, not compressed.
        everywhere: the control plane too, where only pods that tolerate it run.

    Raises:
        StepError: a node refused an archive, or it is none.
    """
    nodes = [name for name in ground.nodes() if everywhere or not name.endswith("control-plane")]
    for path in archives:
        try:
            wanted = archive.contents(path)
        except (OSError, ValueError) as error:
            raise StepError(f"{path} can't be loaded: {error}") from error
        there = {node: present(ground, node, wanted) for node in nodes}
        lacking = [node for node in nodes if there[node] != wanted]
        if not lacking:
            continue
        title = f"{', '.join(wanted)} ({path.stat().st_size / 1e6:.0f} MB) to {', '.join(lacking)}"
        with step(title), ThreadPoolExecutor(len(lacking)) as pool:
            for done in [pool.submit(_replace, ground, node, path, set(there[node].values())) for node in lacking]:
                done.result()


def present(ground: Ground, node: str, wanted: Mapping[str, str]) -> dict[str, str]:
    """Those of the tags that a node has, each with its image's config digest."""
    targets = manifests(ground.ask("docker", "exec", node, *CTR, "images", "ls"))
    spelled = {tag: canonical(tag) for tag in wanted}
    return {tag: _config_of(ground, node, targets[name]) for tag, name in spelled.items() if name in targets}


def manifests(listing: str) -> dict[str, str]:
    """Tags and the digests of their manifests, of what ``ctr images ls`` prints."""
    rows = (line.split() for line in listing.splitlines()[1:])
    return {row[0]: row[2] for row in rows if len(row) > 2}


def canonical(tag: str) -> str:
    """A tag as containerd spells it: with the registry's host, and what Docker takes for granted."""
    host, slash, _ = tag.partition("/")
    if slash and ("." in host or ":" in host or host == "localhost"):
        return tag
    return f"docker.io/{tag}" if slash else f"docker.io/library/{tag}"


def _config_of(ground: Ground, node: str, manifest: str) -> str:
    """Digest of an image's config; nothing where its manifest is gone, or is a list for several platforms."""
    try:
        document = json.loads(ground.ask("docker", "exec", node, *CTR, "content", "get", manifest))
    except StepError:
        return ""
    return str(document.get("config", {}).get("digest", ""))


def _replace(ground: Ground, node: str, path: Path, old: Set[str]) -> None:
    command = ("docker", "exec", "--interactive", node, *CTR, "images", "import", "--all-platforms", "-")
    with path.open("rb") as stdin:
        run([*ground.prefix, *command], ground.logs / f"load-{node}.log", ground.env, stdin)
    for digest in filter(None, old):
        # The kubelet's view of the image that had the tag: it would keep its layers.
        with contextlib.suppress(StepError):
            ground.ask("docker", "exec", node, *CTR, "images", "rm", digest)
