"""What is decided without touching anything."""

import json
from pathlib import Path

import pytest
from kind_cluster import cluster, control_plane, engine, loading, network, rootfs, runc_wrapper, source
from kind_cluster.engine import daemon_config
from kind_cluster.source import BUILT, OFFICIAL, Source
from kind_cluster.steps import StepError


@pytest.mark.parametrize(
    ("setting", "docker", "registry", "before", "chosen"),
    [
        ("", True, True, None, Source("given", OFFICIAL)),
        ("", True, False, None, BUILT),
        ("", False, True, None, BUILT),
        ("built", True, True, None, BUILT),
        ("kindest/node:v1.33.4", True, True, None, Source("given", "kindest/node:v1.33.4")),
        ("", True, True, "own", BUILT),
        ("", False, False, "given", Source("given", OFFICIAL)),
    ],
)
def test_where_nodes_come_from(setting: str, docker: bool, registry: bool, before: str | None, chosen: Source) -> None:
    """The official image where it can be had, unless told otherwise; a cluster that is up stays of its kind."""
    assert source.choose({"NODE_IMAGE": setting}, lambda: docker, lambda image: registry, before) == chosen


def test_an_image_that_was_asked_for_is_not_replaced() -> None:
    """Nothing else is taken in silence where NODE_IMAGE can't be had."""
    with pytest.raises(StepError, match=r"NODE_IMAGE=kindest/node:v1\.33\.4 can't be pulled"):
        source.choose({"NODE_IMAGE": "kindest/node:v1.33.4"}, lambda: True, lambda image: False)


def test_nothing_is_asked_of_docker_for_a_built_node() -> None:
    """NODE_IMAGE=built contacts nobody."""

    def never(*_: object) -> bool:
        raise AssertionError("asked")

    assert source.choose({"NODE_IMAGE": "built"}, never, never) == BUILT


def test_our_own_engine_gets_what_it_needs() -> None:
    """A control plane and two workers of one image; the official one is left as it is."""
    own, official = cluster.config("image", own=True), cluster.config("image", own=False)
    assert [node["role"] for node in own["nodes"]] == ["control-plane", "worker", "worker"]
    assert own["networking"]["disableDefaultCNI"] is True
    assert set(own) - set(official) == {"networking", "containerdConfigPatches", "kubeadmConfigPatches"}


def test_capabilities_that_are_not_held_are_taken_out() -> None:
    """From a bundle and from an exec, with everything else as it was."""
    allowed = {"CAP_KILL", "CAP_CHOWN"}
    process = {"args": ["x"], "capabilities": {"bounding": ["CAP_SYS_RESOURCE", "CAP_KILL"], "effective": ["CAP_BPF"]}}
    expected = {"args": ["x"], "capabilities": {"bounding": ["CAP_KILL"], "effective": []}}
    assert runc_wrapper.reduced({"process": json.loads(json.dumps(process))}, allowed) == {"process": expected}
    assert runc_wrapper.reduced(json.loads(json.dumps(process)), allowed) == expected
    assert runc_wrapper.reduced({"process": {"args": []}}, allowed) == {"process": {"args": []}}


def test_the_bounding_set_is_read_by_number() -> None:
    """Bit 24 is CAP_SYS_RESOURCE."""
    held = runc_wrapper.held("Name:\tx\nCapBnd:\t000001fffeffffff\n")
    assert len(held) == 40
    assert "CAP_SYS_RESOURCE" not in held
    assert {"CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"} <= held


@pytest.mark.parametrize(
    ("arguments", "file"),
    [
        (["--root", "/r", "create", "--bundle", "/b", "id"], "/b/config.json"),
        (["run", "-b", "/b", "id"], "/b/config.json"),
        (["exec", "--process", "/p.json", "id"], "/p.json"),
        (["delete", "id"], None),
    ],
)
def test_what_runc_reads_is_found(arguments: list[str], file: str | None) -> None:
    """A bundle's config, or the process of an exec."""
    found = runc_wrapper.spec_file(arguments)
    assert (str(found) if found else None) == file


def test_an_engine_keeps_everything_in_its_folder(tmp_path) -> None:
    """Whatever dockerd writes goes with the folder."""
    settings = daemon_config(tmp_path, "mine")
    paths = [settings[name] for name in ("data-root", "exec-root", "pidfile", "deprecated-key-path")]
    assert all(path.startswith(str(tmp_path)) for path in (*paths, settings["hosts"][0].removeprefix("unix://")))
    assert settings["cgroup-parent"] == "/mine"


def test_nodes_are_routed_to_each_other() -> None:
    """Each to every other's pods, none to itself; a node without a range yet is left out."""
    ready = [
        {
            "metadata": {"name": f"n{number}"},
            "spec": {"podCIDR": f"10.244.{number}.0/24"},
            "status": {"addresses": [{"type": "InternalIP", "address": f"172.31.0.{number}"}]},
        }
        for number in (1, 2)
    ]
    nodes = network.nodes({"items": [*ready, {"metadata": {"name": "new"}, "spec": {}, "status": {}}]})
    assert [node.name for node in nodes] == ["n1", "n2"]
    assert network.routes(nodes[0], nodes) == [["ip", "route", "replace", "10.244.2.0/24", "via", "172.31.0.2"]]
    settings = json.loads(network.conflist(nodes[0]))
    assert settings["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}]]


def test_an_image_has_every_name_it_is_asked_by() -> None:
    """Those who ask, kubeadm and containerd, may want pause by different tags."""
    parts = control_plane.parts(
        ["r.io/kube-proxy:v1", "r.io/coredns/coredns:v2", "r.io/pause:3.10.1"], "r.io/pause:3.10"
    )
    assert {part.command: list(part.tags) for part in parts} == {
        "kube-proxy": ["r.io/kube-proxy:v1"],
        "coredns": ["r.io/coredns/coredns:v2"],
        "pause": ["r.io/pause:3.10.1", "r.io/pause:3.10"],
    }


@pytest.mark.parametrize(
    ("tag", "spelled"),
    [
        ("ghcr.io/a/b:1", "ghcr.io/a/b:1"),
        ("localhost/b:1", "localhost/b:1"),
        ("localhost:5000/b:1", "localhost:5000/b:1"),
        ("a/b:1", "docker.io/a/b:1"),
        ("b:1", "docker.io/library/b:1"),
    ],
)
def test_tags_are_spelled_as_containerd_does(tag: str, spelled: str) -> None:
    """Else an image that is there would be loaded again each time."""
    assert loading.canonical(tag) == spelled


def test_what_containerd_lists_is_understood() -> None:
    """Columns of `ctr images ls`."""
    listing = "REF TYPE DIGEST SIZE\na.dev/x:1 application/vnd.oci sha256:aa 1.0 MiB linux/amd64 -\n"
    assert loading.manifests(listing) == {"a.dev/x:1": "sha256:aa"}


def test_debian_comes_from_where_apt_gets_it() -> None:
    """The machine's own mirror of the suite, else Debian's; a kind of source that debootstrap lacks is passed over."""
    lines = [
        "bookworm-updates http://a.example/debian",
        "bookworm tor+http://b.example",
        "bookworm http://c.example/debian",
    ]
    assert rootfs.chosen_mirror(lines) == "http://c.example/debian"
    assert rootfs.chosen_mirror([]) == rootfs.MIRROR


@pytest.mark.parametrize(
    ("root", "file", "weight"), [("cpu", "cpu/speechpipe-work-1/cpu.shares", "4096"), ("", "{}/cpu.weight", "400")]
)
def test_a_cluster_is_not_starved(tmp_path: Path, root: str, file: str, weight: str) -> None:
    """Its cgroup, in either version of them, weighs as several processes; where there are none nothing is made."""
    made = engine.Engine(Path("/nowhere/work-1"))
    made.weigh(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / root).mkdir(exist_ok=True)
    (tmp_path / root / "cgroup.procs").touch()
    made.weigh(tmp_path)
    assert (tmp_path / file.format(made.cgroup)).read_text() == weight
