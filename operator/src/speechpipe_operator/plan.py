"""From a ``SpeechPipeline`` to its components, the same for a cluster and one machine. Pure: no file, no process."""

from dataclasses import replace
from typing import Final

from speechpipe_operator.components import (
    BindAddress,
    CaFile,
    Component,
    EnvValue,
    FromSecret,
    NoProxy,
    Plan,
    Pods,
    Port,
    PortNumber,
    Probe,
    RedisUrl,
)
from speechpipe_operator.plan_pods import gateway_pods, initial_replicas, redis_pods, worker_pods
from speechpipe_operator.shards import REDIS, Shards, is_redis, shard_name, wanted_shards
from speechpipe_operator.spec import Auth, ManagedRedis, Spec, SpeechPipeline, Translation, Vad, bytes_of

GATEWAY: Final = "gateway"
STT: Final = "stt"
TRANSLATION: Final = "translation"

REDIS_PORT: Final = 6379
REDIS_GRACE_SECONDS: Final = 60
"""Time to bring the append-only file to the disk; an idle server takes a fraction of a second."""

DRAIN_MARGIN_SECONDS: Final = 5
"""Between the end of a process's own draining and its being killed."""

DRAIN_SECONDS: Final = 20
LONGEST_DRAIN_SECONDS: Final = 3600


def make_plan(pipeline: SpeechPipeline, shards: Shards | None = None) -> Plan:
    """The components that ``pipeline`` asks for, Redis first; ``shards`` where their number is changing."""
    spec, shards = pipeline.spec, shards or wanted_shards(pipeline.spec)
    redis = tuple(shard_name(number) for number in range(shards.running))
    components = [_gateway(spec, redis, shards), _stt(spec, redis)]
    if spec.translation is not None:
        components.append(_translation(spec, spec.translation, redis))
    if spec.redis.managed is not None:
        components = [*(_redis(name, spec, spec.redis.managed) for name in redis), *components]
    tracing = _tracing(pipeline)
    components = [replace(it, env=tracing | it.env) if not is_redis(it.name) else it for it in components]
    return Plan(pipeline.metadata.name, tuple(components))


def _tracing(pipeline: SpeechPipeline) -> dict[str, EnvValue]:
    """Where spans go, by the names that OpenTelemetry's SDK has; what a component's own env says goes before it."""
    tracing = pipeline.spec.monitoring.tracing
    if tracing is None:
        return {}
    about = {"speechpipe.pipeline": pipeline.metadata.name, "k8s.namespace.name": pipeline.metadata.namespace}
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": tracing.endpoint,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": f"{tracing.sample_percent / 100:g}",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{name}={value}" for name, value in about.items() if value),
    }


def _redis(name: str, spec: Spec, managed: ManagedRedis) -> Component:
    durable = managed.persistence != "none"
    return Component(
        name=name,
        command=("valkey-server",),
        ports=(Port(REDIS, REDIS_PORT, internal=True),),
        ready=Probe("redis", REDIS),
        config=(
            ("maxmemory", str(bytes_of(managed.memory))),
            # An evicted stream would take its consumer group along; refused writes are seen and survived.
            ("maxmemory-policy", "noeviction"),
            ("appendonly", "yes" if durable else "no"),
            *((("appendfsync", managed.persistence),) if durable else ()),
            ("save", ""),
        ),
        grace_seconds=REDIS_GRACE_SECONDS,
        pods=redis_pods(spec, managed),
    )


def _gateway(spec: Spec, redis: tuple[str, ...], shards: Shards) -> Component:
    gateway = spec.gateway
    env: dict[str, EnvValue] = {
        "GATEWAY_HOST": BindAddress(public=True),
        "GATEWAY_PORT": PortNumber("ws"),
        "MAX_SESSIONS": str(gateway.limits.sessions),
        "MAX_SESSIONS_PER_KEY": str(gateway.limits.sessions_per_key),
        "MAX_QUEUE_DEPTH": str(gateway.limits.queue_depth),
        "DEFAULT_SOURCE_LANGUAGE": spec.languages.source,
        "DEFAULT_TARGET_LANGUAGES": ",".join(spec.languages.targets),
        "ALLOWED_ORIGINS": ",".join(gateway.allowed_origins),
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
        **_vad(gateway.vad),
        **_auth(gateway.auth),
        **_placing(spec, shards),
        **({"OPENAI_TRANSLATIONS": "false"} if spec.translation is None else {}),
    }
    ports = (Port("ws", gateway.port), Port("health", 8080))
    replicas = initial_replicas(gateway.replicas, gateway.autoscaling)
    pods, known = gateway_pods(spec), redis[: shards.known]
    return _service(GATEWAY, "speechpipe_gateway", spec, known, ports, env | gateway.env, replicas, pods)


def _placing(spec: Spec, shards: Shards) -> dict[str, EnvValue]:
    if spec.redis.external is not None and spec.redis.external.shards is not None:
        return {"REDIS_SHARDS": str(spec.redis.external.shards)}
    return {"REDIS_SHARDS": str(shards.placing)} if shards.placing < shards.known else {}


def _vad(vad: Vad) -> dict[str, EnvValue]:
    return {
        "SILENCE_THRESHOLD_SECONDS": _seconds(vad.silence_threshold_milliseconds),
        "PRE_SPEECH_BUFFER_SECONDS": _seconds(vad.pre_speech_buffer_milliseconds),
        "CANDIDATE_SECONDS": _seconds(vad.candidate_milliseconds),
        "MAX_SEGMENT_SECONDS": _seconds(vad.longest_segment_milliseconds),
        "MIN_SPEECH_SECONDS": _seconds(vad.minimum_speech_milliseconds),
        "WEBRTC_SENSITIVITY": str(vad.webrtc_sensitivity),
        "SILERO_SENSITIVITY": f"{vad.silero_sensitivity_percent / 100:g}",
    }


def _auth(auth: Auth) -> dict[str, EnvValue]:
    if auth.mode == "none":
        return {"AUTH": "off"}
    env: dict[str, EnvValue] = {"AUTH": "required"}
    if auth.secret_ref is not None:
        # A file, because the gateway reads keys again when it changes, without a restart.
        env["API_KEYS_FILE"] = FromSecret(auth.secret_ref.name, auth.secret_ref.key, as_file=True)
    if auth.jwks is not None:
        env |= {
            "JWKS_URL": auth.jwks.url,
            "JWT_ISSUER": auth.jwks.issuer,
            "JWT_AUDIENCE": auth.jwks.audience,
            "JWT_ALGORITHMS": ",".join(auth.jwks.algorithms),
            "JWT_SUBJECT_CLAIM": auth.jwks.subject_claim,
        }
    return env


def _stt(spec: Spec, redis: tuple[str, ...]) -> Component:
    stt = spec.stt
    env: dict[str, EnvValue] = {
        "STT_ENGINE": stt.engine,
        "MODEL_SIZE": stt.model,
        "DEVICE": stt.device,
        "COMPUTE_TYPE": stt.compute_type,
        "BEAM_SIZE": str(stt.beam_size),
        "VAD_FILTER": _boolean(stt.vad_filter),
        "NORMALIZE_AUDIO": _boolean(stt.normalize_audio),
        **({} if stt.batch.max_size is None else {"MAX_BATCH_SIZE": str(stt.batch.max_size)}),
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
        **_offline(stt.offline),
    }
    replicas = initial_replicas(stt.replicas, stt.autoscaling)
    ports = (Port("health", 8081),)
    return _service(STT, "speechpipe_stt", spec, redis, ports, env | stt.env, replicas, worker_pods(spec, STT, stt))


def _translation(spec: Spec, translation: Translation, redis: tuple[str, ...]) -> Component:
    env: dict[str, EnvValue] = {
        "TRANSLATION_ENGINE": translation.engine,
        "EASYNMT_MODEL": translation.model,
        "DEVICE": translation.device,
        "PIVOT_LANGUAGES": ",".join(translation.pivots),
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
        **_offline(translation.offline),
    }
    if translation.model_directory is not None:
        env["MODEL_DIR"] = translation.model_directory
    ports = (Port("health", 8082),)
    replicas = initial_replicas(translation.replicas, translation.autoscaling)
    pods = worker_pods(spec, TRANSLATION, translation)
    return _service(TRANSLATION, "speechpipe_translate", spec, redis, ports, env | translation.env, replicas, pods)


def _offline(offline: bool) -> dict[str, EnvValue]:
    # Only where it is wished: on one machine the user's own MODEL_OFFLINE stands otherwise.
    return {"MODEL_OFFLINE": "true"} if offline else {}


def _service(
    name: str,
    module: str,
    spec: Spec,
    redis: tuple[str, ...],
    ports: tuple[Port, ...],
    env: dict[str, EnvValue],
    replicas: int,
    pods: Pods,
) -> Component:
    wiring: dict[str, EnvValue] = {
        "REDIS_URL": _redis_address(spec, redis),
        "KEY_PREFIX": spec.redis.key_prefix,
        "HEALTH_HOST": BindAddress(),
        "HEALTH_PORT": PortNumber("health"),
    }
    return Component(
        name=name,
        command=("python", "-m", module),
        ports=ports,
        ready=Probe("http", "health"),
        env=wiring | _reaching_out(spec) | env,
        replicas=replicas,
        depends_on=redis,
        grace_seconds=_drain_seconds(env) + DRAIN_MARGIN_SECONDS,
        pods=pods,
    )


def _drain_seconds(env: dict[str, EnvValue]) -> float:
    """What the process is told, the user's own number included; what is out of its bounds, it refuses itself."""
    try:
        told = float(str(env["DRAIN_SECONDS"]))
    except ValueError:
        return DRAIN_SECONDS
    return told if 0 <= told <= LONGEST_DRAIN_SECONDS else DRAIN_SECONDS


def _redis_address(spec: Spec, redis: tuple[str, ...]) -> EnvValue:
    external = spec.redis.external
    if external is not None and external.secret_ref is not None:
        return FromSecret(external.secret_ref.name, external.secret_ref.key)
    if external is not None and external.url is not None:
        return external.url
    return RedisUrl(redis)


def _reaching_out(spec: Spec) -> dict[str, EnvValue]:
    """How a process reaches what lies outside: through a proxy, trusting further authorities."""
    env: dict[str, EnvValue] = {}
    if spec.proxy is not None:
        given = {"HTTP_PROXY": spec.proxy.http_proxy, "HTTPS_PROXY": spec.proxy.https_proxy}
        env |= {name: address for name, address in given.items() if address}
        env["NO_PROXY"] = NoProxy(spec.proxy.no_proxy)
    if spec.ca_bundle is not None:
        # OpenSSL (aiohttp, httpx) and requests (pip) each have a name of their own.
        env |= {"SSL_CERT_FILE": CaFile(), "REQUESTS_CA_BUNDLE": CaFile()}
    return env


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
