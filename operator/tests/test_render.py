"""What single wishes of the spec become."""

import ssl
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings
from render_support import CONTEXT, component_of, golden, main_container, of, one, pod_spec, rendered

from speechpipe_operator.objects import CONFIG_ANNOTATION, Object
from speechpipe_operator.plan import make_plan
from speechpipe_operator.render import Capabilities, Frame
from speechpipe_operator.render.secrets import PASSWORD_BYTES, password_of, redis_auth, redis_urls
from speechpipe_operator.render.volumes import JOIN
from speechpipe_operator.spec import SpeechPipeline

WORKLOADS = ("Deployment", "StatefulSet")


def templates(pipeline: SpeechPipeline, **changes: Any) -> dict[str, Object]:
    """The pod template of each component."""
    objects = rendered(pipeline, **changes)
    return {component_of(obj): obj["spec"]["template"] for obj in objects if obj["kind"] in WORKLOADS}


def rolled(before: SpeechPipeline, after: SpeechPipeline) -> set[str]:
    """Components whose pods are replaced by a change of the spec."""
    old, new = templates(before), templates(after)
    return {name for name in old.keys() & new.keys() if old[name] != new[name]}


def variables(workload: Object) -> dict[str, Object]:
    """The main container's environment by name."""
    return {entry["name"]: entry for entry in main_container(workload)["env"]}


CHANGES = {
    "memory of Redis": ("  redis: {managed: {memory: 1Gi}}\n", {"redis"}),
    "how Redis persists": ("  redis: {managed: {persistence: always}}\n", {"redis"}),
    "size of the volume": ("  redis: {managed: {storage: {size: 20Gi}}}\n", set()),
    "model": ("  stt: {model: small}\n", {"stt"}),
    "replicas": ("  stt: {replicas: 4}\n", set()),
    "autoscaling": ("  stt: {autoscaling: {maxReplicas: 7}}\n", set()),
    "network policies": ("  networkPolicies: {enabled: false}\n", set()),
    "an image": ("  images: {gateway: 'g:1'}\n", {"gateway"}),
    "the tag": ("  images: {tag: '2'}\n", {"gateway", "stt"}),
    "a priority": ("  priorityClassName: high\n", {"redis", "gateway", "stt"}),
    "a key prefix": ("  redis: {managed: {}, keyPrefix: 'p:'}\n", {"gateway", "stt"}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_rolls_the_right_pods(what: str) -> None:
    """A change of the spec replaces the pods that it concerns, and no others."""
    spec, expected = CHANGES[what]
    assert rolled(of(""), of(spec)) == expected


def test_a_new_password_rolls_redis_before_its_clients() -> None:
    """Another checksum of the Secret replaces Redis; its clients follow when they are given that checksum too."""
    before = {"x-redis-auth": "1"}
    after = {"x-redis-auth": "2"}

    def configs(now: dict[str, str], clients: dict[str, str] | None) -> dict[str, str]:
        found = templates(of(""), secrets=now, secrets_of_clients=clients)
        return {name: template["metadata"]["annotations"][CONFIG_ANNOTATION] for name, template in found.items()}

    first, second, third = configs(before, None), configs(after, before), configs(after, None)
    assert {name for name in first if first[name] != second[name]} == {"redis"}
    assert {name for name in first if second[name] != third[name]} == {"gateway", "stt"}


def test_secrets_read_again_roll_nothing() -> None:
    """The gateway's keys are a file that it reads again by itself; the address of Redis is read once."""
    pipeline = golden("external-redis")
    keys = templates(pipeline, secrets={"shared-redis": "1", "callers": "1"})
    assert keys == templates(pipeline, secrets={"shared-redis": "1", "callers": "2"})
    assert keys != templates(pipeline, secrets={"shared-redis": "2", "callers": "1"})


def test_no_password_is_in_any_object() -> None:
    """Specs name the Secret and its key; the address takes the password from the environment, which comes before it."""
    container = main_container(one(rendered(of("")), "Deployment", "stt"))
    names = [entry["name"] for entry in container["env"]]
    by_name = variables(one(rendered(of("")), "Deployment", "stt"))
    assert by_name["REDIS_PASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": "x-redis-auth", "key": "password"}
    assert by_name["REDIS_URL"]["value"] == "redis://:$(REDIS_PASSWORD)@x-redis:6379/0"
    assert names.index("REDIS_PASSWORD") < names.index("REDIS_URL")


def test_a_password_fits_into_a_url() -> None:
    """Generated passwords need no quoting, and hold all the chance that they were made of."""
    password = password_of(bytes(range(PASSWORD_BYTES)))
    assert len(password) == 32
    assert set(password) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    pipeline = of("")
    secret = redis_auth(Frame(pipeline, make_plan(pipeline), CONTEXT), password)
    assert secret["stringData"] == {"password": password}
    assert redis_urls("x", ["redis"], password) == f"redis://:{password}@x-redis:6379/0"


@pytest.mark.parametrize(
    ("component", "settings"),
    [
        ("gateway", "speechpipe_gateway.settings:GatewaySettings"),
        ("stt", "speechpipe_stt.settings:SttSettings"),
        ("translation", "speechpipe_translate.settings:TranslateSettings"),
    ],
)
def test_a_service_takes_its_rendered_environment(component: str, settings: str) -> None:
    """Every value in a pod's environment is accepted by the process that gets it, as the kubelet expands it."""
    module, _, name = settings.partition(":")
    cls: type[BaseSettings] = getattr(pytest.importorskip(module), name)
    env = variables(one(rendered(golden("full")), "Deployment", component))
    told = {name: entry["value"].replace("$(REDIS_PASSWORD)", "s3") for name, entry in env.items() if "value" in entry}
    told |= {"INSTANCE_ID": f"full-{component}-7d4b9c6f5d-x2x7q"}
    taken = cls.model_validate_strings({key.lower(): value for key, value in told.items()})
    assert taken.model_dump()["redis_url"].startswith("redis://:s3@full-")


def test_what_looks_like_a_reference_is_none() -> None:
    """A value with $(…) reaches the process as it stands, in a cluster as on one machine."""
    pipeline = of("  stt: {env: {A: '$(REDIS_PASSWORD)$', B: plain}}\n")
    env = variables(one(rendered(pipeline), "Deployment", "stt"))
    assert (env["A"]["value"], env["B"]["value"]) == ("$$(REDIS_PASSWORD)$$", "plain")


def test_gpu_workers_roll_within_what_there_is() -> None:
    """A rollout on full GPUs takes a worker before it adds one; gateways and CPU workers lose none."""
    objects = rendered(golden("gpu"))
    bounds = {
        component_of(obj): obj["spec"]["strategy"]["rollingUpdate"] for obj in objects if obj["kind"] == "Deployment"
    }
    tight, loose = {"maxSurge": 0, "maxUnavailable": 1}, {"maxSurge": 1, "maxUnavailable": 0}
    assert bounds == {"gateway": loose, "stt": tight, "translation": tight}
    one_volume = of("  stt: {modelCache: {pvc: {accessMode: ReadWriteOnce}}}\n")
    assert one(rendered(one_volume), "Deployment", "stt")["spec"]["strategy"]["rollingUpdate"] == tight


def test_gpus_are_asked_for() -> None:
    """An extended resource is a limit; MIG profiles are resources like others; their taint is tolerated."""
    stt, translation = (one(rendered(golden("gpu")), "Deployment", name) for name in ("stt", "translation"))
    assert main_container(stt)["resources"]["limits"] == {"memory": "12Gi", "nvidia.com/gpu": "1"}
    assert main_container(translation)["resources"]["limits"] == {"nvidia.com/mig-1g.10gb": "1"}
    (taint,) = pod_spec(translation)["tolerations"]
    assert taint == {"key": "nvidia.com/mig-1g.10gb", "operator": "Exists", "effect": "NoSchedule"}
    assert [toleration["key"] for toleration in pod_spec(stt)["tolerations"]] == ["nvidia.com/gpu", "dedicated"]


def test_claims_are_named_by_what_they_claim() -> None:
    """Another claim is another template, since one can't be changed; another version of the API is not."""

    def name(spec: str, version: str = "v1") -> str:
        changes = {"capabilities": Capabilities(dra=version)}
        claim = one(rendered(of(f"  stt: {{gpu: {spec}}}\n"), **changes), "ResourceClaimTemplate")
        deployment = one(rendered(of(f"  stt: {{gpu: {spec}}}\n"), **changes), "Deployment", "stt")
        assert pod_spec(deployment)["resourceClaims"][0]["resourceClaimTemplateName"] == claim["metadata"]["name"]
        found: str = claim["metadata"]["name"]
        return found

    plain = "{dra: {deviceClassName: gpu.example.com}}"
    assert name(plain) == name(plain, "v1beta1") == name(plain, "v1beta2")
    others = {
        name(plain),
        name("{count: 2, dra: {deviceClassName: gpu.example.com}}"),
        name("{dra: {deviceClassName: b}}"),
    }
    assert len(others) == 3


def test_startup_lasts_as_long_as_the_spec_allows() -> None:
    """The startup probe gives up after startupSeconds, and the rollout not before."""
    deployment = one(rendered(of("  stt: {startupSeconds: 1801}\n")), "Deployment", "stt")
    probe = main_container(deployment)["startupProbe"]
    assert 1801 <= probe["periodSeconds"] * probe["failureThreshold"] < 1801 + probe["periodSeconds"]
    assert deployment["spec"]["progressDeadlineSeconds"] > 1801


def test_a_pod_may_end_as_slowly_as_its_process() -> None:
    """The grace period covers what a process was told to drain, and a gateway's wait before that."""
    spec = one(rendered(of("  stt: {env: {DRAIN_SECONDS: '120'}}\n")), "Deployment", "stt")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 125
    gateway = one(rendered(of("")), "Deployment", "gateway")
    waits = main_container(gateway)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod_spec(gateway)["terminationGracePeriodSeconds"] == waits + 25


def test_defaults_never_contradict_what_is_given() -> None:
    """Requests are set where the spec says nothing of a resource; a limit of the user's stays the request too."""
    pipeline = of("  stt: {resources: {limits: {memory: 100Mi}}}\n")
    resources = main_container(one(rendered(pipeline), "Deployment", "stt"))["resources"]
    assert resources == {"requests": {"cpu": "500m"}, "limits": {"memory": "100Mi"}}


def test_nothing_blocks_draining_redis() -> None:
    """Gateways and workers have a budget; the only pod of Redis has none."""
    budgets = {component_of(obj) for obj in rendered(golden("gpu")) if obj["kind"] == "PodDisruptionBudget"}
    assert budgets == {"gateway", "stt", "translation"}


def test_kinds_that_a_cluster_lacks_are_not_rendered() -> None:
    """Without the Prometheus operator, or where it is not wanted, there is no PodMonitor."""
    kinds = [obj["kind"] for obj in rendered(golden("minimal"), capabilities=Capabilities())]
    assert "PodMonitor" not in kinds
    assert "PodMonitor" not in [obj["kind"] for obj in rendered(golden("external-redis"))]


def test_a_mirror_has_every_image() -> None:
    """Another registry is put in front of every default image; a whole reference stays as it is."""
    images = {name: template["spec"]["containers"][0]["image"] for name, template in templates(golden("full")).items()}
    assert images == {
        "redis": "mirror.example.org/speechpipe/valkey:9.1",
        "gateway": "mirror.example.org/speechpipe/gateway:0.4.2",
        "stt": "mirror.example.org/custom/stt@sha256:" + "0123456789abcdef" * 4,
        "translation": "mirror.example.org/speechpipe/translation:0.4.2",
    }


def test_the_usual_authorities_stay_trusted(tmp_path: Path) -> None:
    """The init container's script joins the image's own authorities and the bundle into one file."""
    bundle, joined = tmp_path / "ca.crt", tmp_path / "joined.crt"
    usual = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    bundle.write_text("-----BEGIN CERTIFICATE-----\nours\n-----END CERTIFICATE-----\n")
    subprocess.run([sys.executable, "-c", JOIN, str(bundle), str(joined)], check=True)
    expected = Path(usual).read_text() if Path(usual).exists() else ""
    assert joined.read_text().startswith(expected)
    assert joined.read_text().endswith(bundle.read_text())


def test_a_missing_bundle_is_an_error(tmp_path: Path) -> None:
    """A bundle that is not there stops the pod instead of being passed over."""
    done = subprocess.run([sys.executable, "-c", JOIN, str(tmp_path / "no"), str(tmp_path / "x")], capture_output=True)
    assert done.returncode != 0
    assert b"FileNotFoundError" in done.stderr


def test_the_context_is_all_that_differs_between_namespaces() -> None:
    """The same pipeline in two namespaces differs in namespace and owner alone: templates hold neither."""
    here, there = CONTEXT, replace(CONTEXT, namespace="elsewhere", uid="2")
    assert templates(golden("gpu"), namespace=here.namespace) == templates(
        golden("gpu"), namespace=there.namespace, uid=there.uid
    )


def test_a_container_that_fails_says_why() -> None:
    """The end of a failing container's log is kept in its status, where the operator finds the reason."""
    for template in templates(golden("full")).values():
        ours = [
            c
            for c in [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]
            if c["name"] != "tunnel"
        ]
        assert {container["terminationMessagePolicy"] for container in ours} == {"FallbackToLogsOnError"}
