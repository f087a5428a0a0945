"""The part of a plan that only a cluster reads: images, resources, scaling, GPUs."""

from typing import Final

from speechpipe_operator.components import Image, Pods, Scaling
from speechpipe_operator.spec import (
    Autoscaling,
    GatewayAutoscaling,
    Images,
    ManagedRedis,
    Resources,
    Spec,
    Stt,
    Translation,
    bytes_of,
)

OFFICIAL_VALKEY: Final = "docker.io/valkey/valkey"
VALKEY_TAG: Final = "9.1"
CUDA: Final = "-cuda"
"""End of the tag of images with NVIDIA's libraries, which are 1.5 GB larger."""

MIB: Final = 1024 * 1024
REDIS_FIXED_BYTES: Final = 96 * MIB
"""Besides maxmemory: the program, buffers of clients and of the append-only file."""
REDIS_OVERHEAD_PERCENT: Final = 25
"""Fragmentation of the heap above maxmemory, which counts only what the data asks for."""

DEFAULT_REQUESTS: Final[dict[str, dict[str, str]]] = {
    "redis": {"cpu": "100m"},
    "gateway": {"cpu": "250m", "memory": "384Mi"},
    "stt": {"cpu": "500m", "memory": "1Gi"},
    "translation": {"cpu": "250m", "memory": "512Mi"},
}
"""What the scheduler sets aside where the spec says nothing; without it these pods would be the first to be evicted."""

PATIENCE_SECONDS: Final = 600
"""For the first readiness of what loads no model: images are pulled and volumes made before, Redis may come late."""


def redis_pods(spec: Spec, managed: ManagedRedis) -> Pods:
    """The managed Redis. A rewrite of the append-only file forks, and copies at worst every page it holds."""
    data = bytes_of(managed.memory)
    usual = data * (100 + REDIS_OVERHEAD_PERCENT) // 100 + REDIS_FIXED_BYTES
    worst = usual + (data if managed.persistence != "none" else 0)
    resources = managed.resources
    if not _says(resources, "memory"):
        memory = Resources(requests={"memory": _mebibytes(usual)}, limits={"memory": _mebibytes(worst)})
        resources = _merged(resources, memory)
    return Pods(
        image=_redis_image(spec.images),
        resources=_with_defaults(resources, "redis"),
        startup_seconds=PATIENCE_SECONDS,
        template=managed.pod_template,
    )


def gateway_pods(spec: Spec) -> Pods:
    """The gateways; an autoscaler by CPU is a HorizontalPodAutoscaler, somebody else than the operator."""
    gateway = spec.gateway
    scaling = Scaling() if gateway.autoscaling is None else Scaling("external", gateway.autoscaling)
    return Pods(
        image=_image(spec.images, "gateway", spec.images.gateway),
        resources=_with_defaults(gateway.resources, "gateway"),
        scaling=scaling,
        startup_seconds=PATIENCE_SECONDS,
        template=gateway.pod_template,
    )


def worker_pods(spec: Spec, component: str, worker: Stt | Translation) -> Pods:
    """The workers of ``component`` (stt or translation)."""
    scaling = Scaling() if worker.autoscaling is None else Scaling(worker.autoscaling.mode, worker.autoscaling)
    own = spec.images.stt if component == "stt" else spec.images.translation
    variant = CUDA if _on_cuda(worker) else ""
    return Pods(
        image=_image(spec.images, component, own, variant),
        resources=_with_defaults(worker.resources, component),
        scaling=scaling,
        gpu=worker.gpu,
        model_cache=worker.model_cache,
        startup_seconds=worker.startup_seconds,
        template=worker.pod_template,
    )


def initial_replicas(fixed: int, autoscaling: Autoscaling | GatewayAutoscaling | None) -> int:
    """How many run before anybody has decided: the spec's number, or the least that an autoscaler keeps, but one."""
    return fixed if autoscaling is None else max(1, autoscaling.min_replicas)


def _on_cuda(worker: Stt | Translation) -> bool:
    """Whether its pods need NVIDIA's libraries: where they are told so, or get a device that may be NVIDIA's."""
    if worker.device != "auto" or worker.gpu is None:
        return worker.device == "cuda"
    return worker.gpu.dra is not None or worker.gpu.resource_name.startswith("nvidia.com/")


def _image(images: Images, component: str, whole: str | None, variant: str = "") -> Image:
    if whole is not None:
        return Image(whole, tag="")
    return Image(f"{images.registry}/{component}", images.tag, variant)


def _redis_image(images: Images) -> Image:
    if images.redis is not None:
        return Image(images.redis, tag="")
    if images.registry == Images().registry:
        return Image(OFFICIAL_VALKEY, VALKEY_TAG)
    return Image(f"{images.registry}/valkey", VALKEY_TAG)  # a mirror is expected to have it too


def _says(resources: Resources, name: str) -> bool:
    return name in resources.requests or name in resources.limits


def _with_defaults(resources: Resources, component: str) -> Resources:
    # A limit without a request is a request of the same amount; one of ours might be above it.
    missing = {name: amount for name, amount in DEFAULT_REQUESTS[component].items() if not _says(resources, name)}
    return _merged(resources, Resources(requests=missing))


def _merged(over: Resources, under: Resources) -> Resources:
    return Resources(requests={**under.requests, **over.requests}, limits={**under.limits, **over.limits})


def _mebibytes(amount: int) -> str:
    return f"{-(-amount // MIB)}Mi"
