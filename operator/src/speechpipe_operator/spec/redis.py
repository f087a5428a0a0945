"""``spec.redis``: the streams' home."""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from speechpipe_operator.spec.base import Quantity, SecretKey, Strict
from speechpipe_operator.spec.scheduling import ClaimedStorage, PodTemplate, Resources

SCHEMES = ("redis", "rediss", "unix")


class ManagedRedis(Strict):
    """A Valkey of the pipeline's own, which never evicts."""

    memory: Quantity = Field(
        default="512Mi",
        description="Memory for data (maxmemory), such as 512Mi. Near it new sessions are refused; nothing is evicted.",
    )
    persistence: Literal["everysec", "always", "none"] = Field(
        default="everysec",
        description=(
            "How often the append-only file reaches the disk. everysec: a power cut loses a second, which gateways "
            "submit again; always: nothing is lost, each write waits for the disk; none: a restart loses all sessions."
        ),
    )
    storage: ClaimedStorage = Field(
        default_factory=ClaimedStorage, description="Volume for the append-only file; no meaning with persistence none."
    )
    resources: Resources = Field(
        default_factory=Resources, description="Compute resources; absent: memory for the data and its bookkeeping."
    )
    pod_template: PodTemplate = Field(default_factory=dict, description="Merged over the pod template of Redis.")


class ExternalRedis(Strict):
    """A Redis (7.0.5 or newer) or Valkey that somebody else runs; its maxmemory-policy must be noeviction."""

    url: str | None = Field(default=None, description="Address, as in redis://host:6379/0; rediss:// for TLS.")
    secret_ref: SecretKey | None = Field(
        default=None,
        description="Secret that holds the address, so that no password stands here. On one machine: REDIS_URL is set.",
    )

    @field_validator("url")
    @classmethod
    def _is_redis(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in SCHEMES:
            raise ValueError(f"{value!r} is no Redis address; it begins with redis://, rediss:// or unix://")
        return value

    @model_validator(mode="after")
    def _one_address(self) -> Self:
        if (self.url is None) == (self.secret_ref is None):
            raise ValueError("give exactly one of url and secretRef")
        return self


class Redis(Strict):
    """Where the streams live: a managed Valkey, or an external server."""

    managed: ManagedRedis | None = Field(default=None, description="Run a Valkey for this pipeline.")
    external: ExternalRedis | None = Field(default=None, description="Use a server that is there already.")
    key_prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_.:-]*$",
        max_length=64,
        description="Put before every name in Redis; pipelines that share a server use different ones.",
    )

    @model_validator(mode="after")
    def _one_home(self) -> Self:
        if (self.managed is None) == (self.external is None):
            raise ValueError("give exactly one of managed and external (managed: {} takes all defaults)")
        return self
