"""From documents to components, against golden files; ``UPDATE_GOLDEN=1 pytest`` writes them: read the difference."""

import json
import os
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_settings import BaseSettings

from speechpipe_operator.components import Component, EnvValue, FromSecret, Plan
from speechpipe_operator.load import load_file, load_text
from speechpipe_operator.local.place import LOOPBACK, Site, place
from speechpipe_operator.local.ports import assign
from speechpipe_operator.plan import make_plan

GOLDEN = Path(__file__).parent / "golden"
EXAMPLE = Path(__file__).parents[2] / "examples" / "local.yaml"
MINIMAL = """\
apiVersion: speechpipe.dev/v1alpha1
kind: SpeechPipeline
metadata: {name: minimal}
spec:
  gateway: {auth: {mode: none}}
  translation: {}
"""
SETTINGS = {
    "gateway": "speechpipe_gateway.settings:GatewaySettings",
    "stt": "speechpipe_stt.settings:SttSettings",
    "translation": "speechpipe_translate.settings:TranslateSettings",
}


def shown(value: EnvValue) -> str:
    """A symbol by its name and fields."""
    return value if isinstance(value, str) else repr(value)


def as_text(plan: Plan) -> str:
    """The whole plan as JSON."""
    components = [
        {**asdict(component), "env": {name: shown(value) for name, value in component.env.items()}}
        for component in plan.components
    ]
    return json.dumps({"name": plan.name, "components": components}, indent=1, default=_as_written) + "\n"


def _as_written(part: BaseModel) -> dict[str, Any]:
    return part.model_dump(by_alias=True, exclude_defaults=True)


@pytest.mark.parametrize("document", [EXAMPLE, *sorted(GOLDEN.glob("*.yaml"))], ids=lambda path: path.stem)
def test_the_plan_is_the_golden_one(document: Path) -> None:
    """Each document gives exactly the components of its golden file."""
    (pipeline,) = load_file(document)
    golden = GOLDEN / f"{document.stem}.json"
    text = as_text(make_plan(pipeline))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def minimal() -> Plan:
    """The plan of the shortest document."""
    (pipeline,) = load_text(MINIMAL, "minimal.yaml")
    return make_plan(pipeline)


@pytest.mark.parametrize("name", SETTINGS)
def test_the_environment_is_what_the_service_reads(name: str) -> None:
    """Every name in a component's environment is a setting of its service, which accepts its value."""
    settings = _settings(name)
    component = minimal().component(name)
    unknown = {key for key in component.env if key.lower() not in settings.model_fields}
    assert not unknown
    given = {key.lower(): value for key, value in component.env.items() if isinstance(value, str) and value}
    settings.model_validate_strings(given)


@pytest.mark.parametrize("name", SETTINGS)
def test_defaults_of_the_document_are_those_of_the_service(name: str) -> None:
    """A service started by hand and one of a document without options behave the same."""
    settings = _settings(name)
    component = minimal().component(name)
    given = {key.lower(): value for key, value in component.env.items() if isinstance(value, str) and value}
    ours, theirs = settings.model_validate_strings(given), settings.model_construct()
    for key in given.keys() & settings.model_fields.keys() - {"auth"}:  # the document must decide about auth
        assert getattr(ours, key) == getattr(theirs, key), key


def test_default_languages_reach_the_gateway() -> None:
    """What spec.languages says is what the gateway does where a client says nothing."""
    (pipeline,) = load_text(MINIMAL + "  languages: {source: en, targets: [es, fr]}\n", "x.yaml")
    env = make_plan(pipeline).component("gateway").env
    settings: Any = _settings("gateway").model_validate_strings(
        {"auth": "off", **{k.lower(): v for k, v in env.items() if k.startswith("DEFAULT_") and isinstance(v, str)}}
    )
    assert (settings.default_source, settings.default_targets) == ("en", ("es", "fr"))


def test_an_identity_provider_reaches_the_gateway(tmp_path: Path) -> None:
    """What spec.gateway.auth.jwks says is the rule of its tokens, on one machine too, where no key file is."""
    jwks = "jwks: {url: https://a.example/keys, issuer: https://a.example, audience: us, algorithms: [EdDSA, ES256]}"
    plan = make_plan(load_text(MINIMAL.replace("auth: {mode: none}", f"auth: {{{jwks}}}"), "x.yaml")[0])
    levels = place(plan, assign(plan, LOOPBACK, any_port=True), Site(tmp_path, LOOPBACK, "p", {}, find_program=str))
    env = next(instance.env for level in levels for instance in level if instance.component.name == "gateway")
    names = {name: value for name, value in env.items() if name.startswith(("AUTH", "API_KEYS", "JW"))}
    settings: Any = _settings("gateway").model_validate_strings({name.lower(): value for name, value in names.items()})
    assert (settings.auth, settings.api_keys_file, settings.jwks_url) == ("required", None, "https://a.example/keys")
    rule = settings.token_rule
    assert (rule.issuer, rule.audience, rule.algorithms) == ("https://a.example", "us", ("EdDSA", "ES256"))


def test_traces_go_where_the_spec_says() -> None:
    """Every service records to the collector, a share of segments, by the pipeline's name; its own env goes first."""
    tracing = "  monitoring: {tracing: {endpoint: 'http://otel:4318', samplePercent: 5}}\n"
    sampler = "  stt: {env: {OTEL_TRACES_SAMPLER: always_on}}\n"
    plan = make_plan(load_text(MINIMAL + tracing + sampler, "x.yaml")[0])
    for name in SETTINGS:
        env = {key: shown(value) for key, value in plan.component(name).env.items()}
        assert env["OTEL_TRACES_SAMPLER"] == ("always_on" if name == "stt" else "parentbased_traceidratio")
        assert env["OTEL_TRACES_SAMPLER_ARG"] == "0.05"
        assert env["OTEL_RESOURCE_ATTRIBUTES"] == "speechpipe.pipeline=minimal"
        given = {"auth": "off", "otel_exporter_otlp_endpoint": env["OTEL_EXPORTER_OTLP_ENDPOINT"]}
        settings: Any = _settings(name).model_validate_strings(given)
        assert settings.traces_endpoint == "http://otel:4318/v1/traces"
    assert not any(key.startswith("OTEL_") for key in plan.component("redis").env)
    assert not any(key.startswith("OTEL_") for key in minimal().component("stt").env)


def test_a_plan_without_translation_has_no_translator() -> None:
    """No translation section, no translation worker."""
    (pipeline,) = load_text(MINIMAL.replace("  translation: {}\n", ""), "x.yaml")
    assert [component.name for component in make_plan(pipeline).components] == ["redis", "gateway", "stt"]


def test_an_external_redis_is_not_planned() -> None:
    """With an external Redis nothing waits for one of ours, and its Secret is handed to every service."""
    external = "  redis: {external: {secretRef: {name: shared, key: url}}}\n"
    (pipeline,) = load_text(MINIMAL + external, "x.yaml")
    components = make_plan(pipeline).components
    assert [component.name for component in components] == ["gateway", "stt", "translation"]
    assert all(component.env["REDIS_URL"] == FromSecret("shared", "url") for component in components)
    assert all(component.depends_on == () for component in components)


def test_overrides_win() -> None:
    """An env section adds to what the plan sets, and replaces it."""
    (pipeline,) = load_text(MINIMAL + "  stt: {env: {BEAM_SIZE: '2', CPU_THREADS: '1'}}\n", "x.yaml")
    component = make_plan(pipeline).component("stt")
    assert (component.env["BEAM_SIZE"], component.env["CPU_THREADS"]) == ("2", "1")


def test_offline_reaches_the_workers_that_it_is_said_of() -> None:
    """Offline workers are told so; the others are told nothing, so that one machine's own setting stands."""
    workers = MINIMAL.replace("translation: {}", "translation: {offline: true}")
    plan = make_plan(load_text(workers, "x.yaml")[0])
    assert plan.component("translation").env["MODEL_OFFLINE"] == "true"
    assert "MODEL_OFFLINE" not in plan.component("stt").env
    plan = make_plan(load_text(MINIMAL + "  stt: {offline: true}\n", "x.yaml")[0])
    assert plan.component("stt").env["MODEL_OFFLINE"] == "true"


def test_a_proxy_and_authorities_on_one_machine(tmp_path: Path) -> None:
    """The proxy is not asked for what runs on this machine; its authorities stay those of the user's environment."""
    reach = "  proxy: {httpsProxy: 'http://proxy:3128', noProxy: .example.org}\n  caBundle: {secret: ours}\n"
    plan = make_plan(load_text(MINIMAL + reach, "x.yaml")[0])
    site = Site(tmp_path, LOOPBACK, "p", {"SSL_CERT_FILE": "/mine.crt"}, find_program=str)
    levels = place(plan, assign(plan, LOOPBACK, any_port=True), site)
    env = next(instance.env for level in levels for instance in level if instance.component.name == "stt")
    assert env["HTTPS_PROXY"] == "http://proxy:3128"
    assert env["NO_PROXY"] == ".example.org,localhost,127.0.0.1"
    assert env["SSL_CERT_FILE"] == "/mine.crt"
    assert "HTTP_PROXY" not in env


def test_who_decides_how_many_run() -> None:
    """The plan carries the policy of the autoscaler, and a number to begin with; gateways scale by another's hand."""
    scaled = MINIMAL.replace("mode: none}", "mode: none}, autoscaling: {minReplicas: 2}").replace(
        "translation: {}", "translation: {replicas: 3}\n  stt: {autoscaling: {minReplicas: 0, mode: auto}}"
    )
    plan = make_plan(load_text(scaled, "x.yaml")[0])
    modes = {component.name: (component.pods.scaling.mode, component.replicas) for component in plan.components}
    assert modes == {"redis": ("fixed", 1), "gateway": ("external", 2), "stt": ("auto", 1), "translation": ("fixed", 3)}


def _settings(name: str) -> type[BaseSettings]:
    module, _, attribute = SETTINGS[name].partition(":")
    pytest.importorskip(module)
    found: type[BaseSettings] = getattr(import_module(module), attribute)
    return found


def test_every_component_says_when_it_is_ready() -> None:
    """Readiness is asked for on a port that the component has, and it has time to end in good order."""

    def has_ready_port(component: Component) -> bool:
        return component.ready.port in {port.name for port in component.ports}

    assert all(has_ready_port(component) and component.grace_seconds > 0 for component in minimal().components)


@pytest.mark.parametrize(
    ("worker", "images", "wanted"),
    [
        ("device: cuda", "{}", "ghcr.io/speechpipe/stt:1.2-cuda"),
        ("gpu: {}", "{}", "ghcr.io/speechpipe/stt:1.2-cuda"),
        ("gpu: {resourceName: nvidia.com/mig-1g.10gb}", "{tag: nightly}", "ghcr.io/speechpipe/stt:nightly-cuda"),
        ("gpu: {dra: {deviceClassName: gpus.example.com}}", "{}", "ghcr.io/speechpipe/stt:1.2-cuda"),
        ("gpu: {resourceName: amd.com/gpu}", "{}", "ghcr.io/speechpipe/stt:1.2"),
        ("device: auto", "{}", "ghcr.io/speechpipe/stt:1.2"),
        ("device: cuda", "{stt: 'example.com/mine:3'}", "example.com/mine:3"),
    ],
)
def test_workers_on_nvidias_devices_get_the_image_with_its_libraries(worker: str, images: str, wanted: str) -> None:
    """The variant is chosen by the device that a worker is told or given; an image that is named whole is taken."""
    text = MINIMAL.replace("  translation: {}", f"  images: {images}\n  stt: {{{worker}}}")
    (pipeline,) = load_text(text, "-")
    (stt,) = (component for component in make_plan(pipeline).components if component.name == "stt")
    assert stt.pods.image.reference("1.2") == wanted
