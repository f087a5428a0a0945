"""From a ``SpeechPipeline`` to its components, the same for a cluster and one machine. Pure: no file, no process."""

from typing import Final

from speechpipe_operator.components import (
    BindAddress,
    Component,
    EnvValue,
    FromSecret,
    Plan,
    Port,
    PortNumber,
    Probe,
    RedisUrl,
)
from speechpipe_operator.spec import Auth, ManagedRedis, Spec, SpeechPipeline, Translation, Vad, bytes_of

REDIS: Final = "redis"
REDIS_PORT: Final = 6379

DRAIN_MARGIN_SECONDS: Final = 5
"""Between the end of a process's own draining and its being killed."""

DRAIN_SECONDS: Final = 20


def make_plan(pipeline: SpeechPipeline) -> Plan:
    """The components that ``pipeline`` asks for, Redis first."""
    spec = pipeline.spec
    components = [_gateway(spec), _stt(spec)]
    if spec.translation is not None:
        components.append(_translation(spec, spec.translation))
    if spec.redis.managed is not None:
        components.insert(0, _redis(spec.redis.managed))
    return Plan(pipeline.metadata.name, tuple(components))


def _redis(managed: ManagedRedis) -> Component:
    durable = managed.persistence != "none"
    return Component(
        name=REDIS,
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
    )


def _gateway(spec: Spec) -> Component:
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
    }
    ports = (Port("ws", gateway.port), Port("health", 8080))
    return _service("gateway", "speechpipe_gateway", spec, ports, env, gateway.env, gateway.replicas)


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
    if auth.secret_ref is None:
        return {"AUTH": "off"}
    # A file, because the gateway reads keys again when it changes, without a restart.
    return {"AUTH": "required", "API_KEYS_FILE": FromSecret(auth.secret_ref.name, auth.secret_ref.key, as_file=True)}


def _stt(spec: Spec) -> Component:
    stt = spec.stt
    env: dict[str, EnvValue] = {
        "MODEL_SIZE": stt.model,
        "DEVICE": stt.device,
        "COMPUTE_TYPE": stt.compute_type,
        "BEAM_SIZE": str(stt.beam_size),
        "VAD_FILTER": _boolean(stt.vad_filter),
        "NORMALIZE_AUDIO": _boolean(stt.normalize_audio),
        "MAX_BATCH_SIZE": str(stt.batch.max_size),
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
    }
    return _service("stt", "speechpipe_stt", spec, (Port("health", 8081),), env, stt.env, stt.replicas)


def _translation(spec: Spec, translation: Translation) -> Component:
    env: dict[str, EnvValue] = {
        "TRANSLATION_ENGINE": translation.engine,
        "EASYNMT_MODEL": translation.model,
        "DEVICE": translation.device,
        "PIVOT_LANGUAGES": ",".join(translation.pivots),
        "DRAIN_SECONDS": str(DRAIN_SECONDS),
    }
    if translation.model_directory is not None:
        env["MODEL_DIR"] = translation.model_directory
    ports = (Port("health", 8082),)
    return _service("translation", "speechpipe_translate", spec, ports, env, translation.env, translation.replicas)


def _service(
    name: str,
    module: str,
    spec: Spec,
    ports: tuple[Port, ...],
    env: dict[str, EnvValue],
    overrides: dict[str, str],
    replicas: int,
) -> Component:
    external = spec.redis.external
    address: EnvValue = RedisUrl()
    if external is not None and external.secret_ref is not None:
        address = FromSecret(external.secret_ref.name, external.secret_ref.key)
    elif external is not None and external.url is not None:
        address = external.url
    wiring: dict[str, EnvValue] = {
        "REDIS_URL": address,
        "KEY_PREFIX": spec.redis.key_prefix,
        "HEALTH_HOST": BindAddress(),
        "HEALTH_PORT": PortNumber("health"),
    }
    return Component(
        name=name,
        command=("python", "-m", module),
        ports=ports,
        ready=Probe("http", "health"),
        env=wiring | env | overrides,
        replicas=replicas,
        depends_on=(REDIS,) if external is None else (),
        grace_seconds=DRAIN_SECONDS + DRAIN_MARGIN_SECONDS,
    )


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:g}"


def _boolean(value: bool) -> str:
    return "true" if value else "false"
