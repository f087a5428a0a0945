"""A real Kubernetes cluster on this machine: a control plane and two workers, made by kind.

Where a Docker Engine and a registry are reachable, kind's official node image is taken; else an engine is started in
namespaces of its own, without an uplink, and the node image is built from source. NODE_IMAGE=kindest/node:v1.33.4 or
NODE_IMAGE=built insists on one of them; CLUSTER=name makes a second cluster beside others.
"""

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kind_cluster import cluster, lifecycle, loading, node_tools, record, source, tools
from kind_cluster.cluster import Ground
from kind_cluster.following import follow
from kind_cluster.project_images import Building
from kind_cluster.record import Record
from kind_cluster.steps import StepError, say, step

EXAMPLES = """
examples (PYTHONPATH=e2e/kind .venv/bin/python -m kind_cluster ...; or make cluster, make cluster-down):
  up                                 create the cluster, or find that it is there
  up --engine                        only the Docker Engine
  load image.tar other.tar           put images on the workers
  run -- kubectl get pods -A         run a command in the cluster's network, with KUBECONFIG, DOCKER_HOST and PATH set
  with image.tar -- pytest e2e/x     up, load, run, down; KEEP=1 leaves the cluster, KUBECONFIG=... uses another
  with --images -- pytest e2e/x      the same with the project's images, built meanwhile; ARCHIVES tells where they are
  down                               remove everything, whatever state it is in
"""
GIVEN = "KUBECONFIG"
ARCHIVES = "ARCHIVES"
"""Set for commands of `with`: where the archives are that were loaded."""
OURS = "KIND_CLUSTER"
"""Set for commands that run in a cluster made here: its name."""


def main() -> int:
    """Read the command line and do it; the exit status is the run command's own where one is run."""
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    command = words[cut + 1 :]
    asked = _parser().parse_args(words[:cut])
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # takes down what was begun, as Ctrl-C does
    try:
        status: int = asked.do(asked, command)
    except (StepError, OSError) as error:
        say(f"kind_cluster: {error}")
        return 1
    except KeyboardInterrupt:
        say("kind_cluster: interrupted")
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kind_cluster", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, does: Callable[[argparse.Namespace, list[str]], int], about: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about)
        added.set_defaults(do=does)
        return added

    verb("up", _up, "create the cluster").add_argument("--engine", action="store_true", help="only the Docker Engine")
    verb("down", _down, "remove it")
    verb("load", _load, "put images on the workers").add_argument("archives", nargs="+", type=Path)
    verb("run", _run, "run a command inside")
    whole = verb("with", _with, "up, load, run a command, down")
    whole.add_argument("--images", action="store_true", help="build the project's images meanwhile")
    whole.add_argument("archives", nargs="*", type=Path)
    return parser


def _up(asked: argparse.Namespace, command: Sequence[str]) -> int:
    found = _bring_up(cluster_too=not asked.engine)
    say(f"kubeconfig: {record.kubeconfig()}" if found.stage == "cluster" else f"engine: {found.env['DOCKER_HOST']}")
    return 0


def _down(asked: argparse.Namespace, command: Sequence[str]) -> int:
    if not lifecycle.down():
        say("there is no cluster")
    return 0


def _load(asked: argparse.Namespace, command: Sequence[str]) -> int:
    loading.load(lifecycle.ground(_recorded("cluster")), asked.archives, cluster.workers())
    return 0


def _run(asked: argparse.Namespace, command: Sequence[str]) -> int:
    if not command:
        raise StepError("run: say what, after --")
    found = _recorded("engine", "cluster")
    whole = [*found.prefix, *command]
    os.execvpe(whole[0], whole, _environment(found))


def _with(asked: argparse.Namespace, command: Sequence[str]) -> int:
    if not command:
        raise StepError("with: say what to run, after --")
    if os.environ.get(GIVEN):
        say(f"using the cluster of {GIVEN}={os.environ[GIVEN]}, which must be able to pull the images")
        path = _path(os.environ["PATH"])
        return follow(command, {**os.environ, "PATH": path})
    try:
        with Building() if asked.images else contextlib.nullcontext() as building:
            images = Images(asked.archives, building)
            found = _bring_up(cluster_too=True, meanwhile=images.load)
        with step(" ".join(command)):
            return follow([*found.prefix, *command], {**_environment(found), ARCHIVES: images.all()})
    finally:
        if os.environ.get("KEEP"):
            say("KEEP is set: the cluster stays; `make cluster-down` removes it")
        else:
            lifecycle.down()


@dataclass(frozen=True, slots=True)
class Images:
    """What a command wants to have on the workers: archives that are there, and those that are being built."""

    given: Sequence[Path]
    building: Building | None

    def load(self, ground: Ground) -> None:
        """Onto the workers of a cluster that is there, or being created; each as soon as it is built."""
        loading.until_nodes_take_images(ground, cluster.workers())
        loading.load(ground, [*self.given], cluster.workers())
        loading.load(ground, self.building or (), cluster.workers())

    def all(self) -> str:
        """Paths of the archives, with blanks between."""
        return " ".join(map(str, [*self.given, *(self.building.made if self.building else ())]))


def _bring_up(*, cluster_too: bool, meanwhile: Callable[[Ground], None] = lambda _: None) -> Record:
    before = record.read()
    wanted = source.choose(os.environ, source.docker_answers, source.docker_has, before.engine if before else None)
    found = lifecycle.up(wanted, cluster_too=cluster_too, meanwhile=meanwhile)
    if cluster_too:
        ground = lifecycle.ground(found)
        own = found.engine == "own"
        node_tool = node_tools.from_rootfs() if own else node_tools.from_registry(ground)
        loading.load(ground, [node_tool], [cluster.control_plane(), *cluster.workers()])
    return found


def _recorded(*stages: str) -> Record:
    found = record.read()
    if not found or not found.alive() or found.stage not in stages:
        raise StepError(f"there is no {' or '.join(stages)} that runs: make cluster")
    return found


def _environment(found: Record) -> dict[str, str]:
    """A command's environment: its variables lead to the engine and the cluster."""
    cluster = {GIVEN: str(record.kubeconfig()), OURS: record.NAME} if found.stage == "cluster" else {}
    return {**os.environ, **found.env, **cluster, "PATH": _path(os.environ["PATH"])}


def _path(path: str) -> str:
    """PATH with the pinned kubectl, helm and kind first, whatever else the machine has."""
    return os.pathsep.join([*map(str, tools.folders("kubectl", "helm", "kind")), path])


if __name__ == "__main__":
    sys.exit(main())
