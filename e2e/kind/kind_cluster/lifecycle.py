"""Brings the cluster up and takes it down, whatever an earlier run has left."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from functools import partial

from kind_cluster import cache, cluster, kernel, node_image, record, tools
from kind_cluster.cluster import Ground
from kind_cluster.engine import Engine
from kind_cluster.record import Record
from kind_cluster.source import Source
from kind_cluster.steps import Beside, StepError, ask, say, step


def up(source: Source, *, cluster_too: bool = True, meanwhile: Callable[[Ground], None] = lambda _: None) -> Record:
    """Make the engine run, and the cluster unless only the engine is wanted; what is there and well is kept.

    A creation that fails or is interrupted is taken down again; its logs stay. ``meanwhile`` is done while the cluster
    is created, so that it has to wait for the nodes itself, or with the cluster that is there.

    Raises:
        StepError: a step failed.
    """
    with _alone():
        found = record.read()
        if found and not (found.engine == source.engine and _well(found)):
            say("an earlier run has left something behind: removing it")
            _remove(found)
            found = None
        if found and (found.stage == "cluster" or not cluster_too):
            if cluster_too:
                meanwhile(ground(found))
            return found
        try:
            ready = found or (_start_engine() if source.engine == "own" else record.write(Record(engine="given")))
            return _create(ready, source, meanwhile) if cluster_too else ready
        except BaseException:
            left = record.read()
            if left and not os.environ.get("KEEP"):
                _save_logs(left)
                _remove(left)
            raise


def down() -> bool:
    """Remove the cluster, the engine and all that they left; False where there is nothing.

    Raises:
        StepError: something could not be removed.
    """
    with _alone():
        found = record.read()
        if found:
            with step("removing the cluster"):
                _remove(found)
        return found is not None


def ground(found: Record) -> Ground:
    """How to reach a recorded cluster."""
    return Ground(found.prefix, found.env, record.kubeconfig(), record.logs())


def _well(found: Record) -> bool:
    """Whether what is recorded is there and works, as far as it was finished."""
    if not found.alive() or found.stage in ("starting", "creating"):
        return False
    if found.stage == "engine":
        return True
    place = ground(found)
    try:
        place.ask(*place.kubectl("get", "--raw=/readyz", "--request-timeout=20s"))
    except StepError:
        return False
    return True


def _start_engine() -> Record:
    with step("Debian packages of the engine"):
        tools.install_packages(record.logs() / "packages.log")
    engine = Engine(record.folder() / f"work-{secrets.token_hex(4)}")
    with step("a Docker Engine without uplink"):
        begun = record.write(Record(engine="own", work=engine.work, kernel=kernel.settings()))
        kernel.make_room()
        engine.weigh()
        launch = engine.launch()
        starting = record.write(begun.model_copy(update={"owner": launch.owner}))
        launch.begin()
        return record.write(starting.model_copy(update={"stage": "engine"}))


def _create(ready: Record, source: Source, meanwhile: Callable[[Ground], None]) -> Record:
    place = ground(ready)
    record.write(ready.model_copy(update={"stage": "creating"}))
    image = node_image.ensure() if source.engine == "own" else None
    if image:
        with step("the node image into the engine"):
            place.run("docker", "load", f"--input={image.archive}", log="docker-load")
    beside = Beside(partial(meanwhile, place))
    cluster.create(place, image.tag if image else source.image, own=image is not None)
    beside.result()
    return record.write(ready.model_copy(update={"stage": "cluster"}))


def _remove(found: Record) -> None:
    """Remove what a record names, in the order that leaves the record to the last."""
    if found.engine == "given":
        ask([str(tools.folder("kind") / "kind"), "delete", "cluster", f"--name={record.NAME}"])
    if found.owner:
        found.owner.end_namespace()
    if found.work:
        Engine(found.work).remove_traces()
    kernel.put_back(found.kernel)
    record.forget()


def _save_logs(found: Record) -> None:
    """Keep what the nodes said, as far as they can still be asked."""
    if not found.alive():
        return
    with contextlib.suppress(StepError):
        place = ground(found)
        place.ask(*place.kind("export", "logs", str(place.logs / "nodes")))
        say(f"the nodes' logs are in {place.logs / 'nodes'}")


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with cache.locked(record.folder() / "lock", "is at work on the cluster"):
        yield
