"""Loads image archives into the nodes' containerd, those alone that a node does not have yet."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO

from kind_cluster import archive, cluster
from kind_cluster.cluster import Ground
from kind_cluster.slimming import slimmed
from kind_cluster.steps import StepError, run, step, wait_until

NODE_SECONDS = 300.0
CTR = ("ctr", "--namespace=k8s.io")


def load(ground: Ground, archives: Iterable[Path], nodes: Sequence[str]) -> None:
    """Put the images of archives on nodes, each archive as soon as it comes.

    Args:
        ground: the cluster.
        archives: docker-archives or OCI archives, not compressed.
        nodes: names of their containers.

    Raises:
        StepError: a node refused an archive, or it is none.
    """
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


def until_nodes_take_images(ground: Ground, nodes: Iterable[str]) -> None:
    """Wait for the containerd of nodes that are being made; it is there long before their kubelet.

    Raises:
        StepError: it is not there after `NODE_SECONDS`.
    """
    # kind restarts every containerd before it lets kubeadm begin.
    begun = ("docker", "exec", cluster.control_plane(), "test", "-e", "/etc/kubernetes/manifests/kube-apiserver.yaml")
    wait_until("kubeadm to begin", NODE_SECONDS, partial(_succeeds, ground, *begun))
    for node in nodes:
        listing = ("docker", "exec", node, *CTR, "images", "ls", "--quiet")
        wait_until(f"containerd on {node}", NODE_SECONDS, partial(_succeeds, ground, *listing))


def _succeeds(ground: Ground, *command: str) -> bool:
    try:
        ground.ask(*command)
    except StepError:
        return False
    return True


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
    blobs = set(ground.ask("docker", "exec", node, *CTR, "content", "ls", "--quiet").split())
    try:
        with slimmed(path, blobs) as stream:
            _import(ground, node, stream)
    except (StepError, ValueError):  # as of a layer that was removed in between, or another form of archive
        with path.open("rb") as stream:
            _import(ground, node, stream)
    for digest in filter(None, old):
        # The kubelet's view of the image that had the tag: it would keep its layers.
        with contextlib.suppress(StepError):
            ground.ask("docker", "exec", node, *CTR, "images", "rm", digest)


def _import(ground: Ground, node: str, stream: IO[bytes]) -> None:
    command = ("docker", "exec", "--interactive", node, *CTR, "images", "import", "--all-platforms", "-")
    run([*ground.prefix, *command], ground.logs / f"load-{node}.log", ground.env, stream)
