"""``spec.redis``: the streams' home."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from speechpipe_common.shards import MOST_SHARDS
from speechpipe_operator.spec.base import Quantity, SecretKey, Strict, bytes_of
from speechpipe_operator.spec.kubernetes import PodTemplate
from speechpipe_operator.spec.rules import Cel, quoted, rule
from speechpipe_operator.spec.scheduling import ClaimedStorage, Resources

_ADDRESS: Final = r"^(redis|rediss|unix)://.+$"


def _is_redis(value: str) -> str:
    if not re.fullmatch(_ADDRESS, value):
        raise ValueError(f"{value!r} is no Redis address; it begins with redis://, rediss:// or unix://")
    return value


Url = Annotated[
    str,
    Field(max_length=1024),
    AfterValidator(_is_redis),
    Cel(f"self.matches({quoted(_ADDRESS)})", "this is no Redis address; it begins with redis://, rediss:// or unix://"),
]


class ManagedRedis(Strict):
    """A Valkey of the pipeline's own, which never evicts."""

    shards: int = Field(
        default=1,
        ge=1,
        le=MOST_SHARDS,
        description=(
            "How many Valkeys the sessions are spread over, each with the memory, storage and resources given here. "
            "One more takes its share of new sessions; one less goes when its sessions can't be resumed any more."
        ),
    )
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

    @rule(
        "self.persistence == 'none' || quantity(self.memory).compareTo(quantity(self.storage.size)) <= 0",
        "storage.size must not be less than memory: the append-only file holds all the data",
    )
    def _data_fits_on_the_volume(self) -> bool:
        return self.persistence == "none" or bytes_of(self.memory) <= bytes_of(self.storage.size)


class ExternalRedis(Strict):
    """A Redis (7.0.5 or newer) or Valkey that somebody else runs; its maxmemory-policy must be noeviction."""

    url: Url | None = Field(default=None, description="Address, as in redis://host:6379/0; rediss:// for TLS.")
    secret_ref: SecretKey | None = Field(
        default=None,
        description=(
            "Secret that holds the address, so that no password stands here; several with commas between them are "
            "shards. On one machine: REDIS_URL is set."
        ),
    )

    shards: int | None = Field(
        default=None,
        ge=1,
        le=MOST_SHARDS,
        description=(
            "How many of several addresses, from the first, take new sessions; those after them keep theirs, until "
            "they can be taken away. Absent: all."
        ),
    )

    @rule("has(self.url) != has(self.secretRef)", "give exactly one of url and secretRef")
    def _one_address(self) -> bool:
        return (self.url is None) != (self.secret_ref is None)


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

    @rule(
        "has(self.managed) != has(self.external)",
        "give exactly one of managed and external (managed: {} takes all defaults)",
    )
    def _one_home(self) -> bool:
        return (self.managed is None) != (self.external is None)
