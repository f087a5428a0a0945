"""``status``: what the operator says of a pipeline. Written by it alone."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from speechpipe_operator.spec.base import Strict

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Time = Annotated[datetime, Field(strict=False), WithJsonSchema({"type": "string", "format": "date-time"})]
Sentence = Annotated[str, Field(max_length=32_768)]
Summary = Annotated[str, Field(max_length=32, pattern=r"^[0-9]+/[0-9]+$")]


class Written(Strict):
    """Base of what the operator writes: made by the names in the code, and read back by those in YAML."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)


class Condition(Written):
    """A condition as all of Kubernetes has it (metav1.Condition)."""

    type: str = Field(max_length=316, description="What it is about, such as SttReady.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether that is so.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="metadata.generation that it was judged by."
    )
    last_transition_time: Time = Field(description="When its status changed last.")
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="Why, in one stable word for programs.",
    )
    message: str = Field(max_length=32_768, description="Why, in a sentence for people, with what to do.")


class Replicas(Written):
    """How many pods a component has."""

    ready: Count = Field(description="Pods that serve.")
    desired: Count = Field(description="Pods that there should be.")


class Scaled(Replicas):
    """How many workers there are, and why so many."""

    reason: str | None = Field(default=None, max_length=64, description="Why so many are desired, in one word.")
    detail: Sentence | None = Field(default=None, description="Why so many are desired, with the numbers.")


class Status(Written):
    """What the operator says of the pipeline."""

    observed_generation: int | None = Field(
        default=None, ge=0, description="metadata.generation that all of this is about."
    )
    conditions: Annotated[tuple[Condition, ...], Field(strict=False, max_length=32)] = Field(
        default=(),
        description="Ready, and what it is made of: RedisReady, GatewayReady, SttReady, TranslateReady and others.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    reason: str | None = Field(default=None, max_length=1024, description="Reason of the first condition to look at.")
    endpoint: str | None = Field(default=None, max_length=1024, description="Address that clients connect to.")
    backlog: int | None = Field(default=None, ge=0, description="Jobs that wait or are being worked on.")
    gateway: Replicas | None = Field(default=None, description="Gateways.")
    gateway_summary: Summary | None = Field(default=None, description="Gateways, ready/desired.")
    stt: Scaled | None = Field(default=None, description="STT workers.")
    stt_summary: Summary | None = Field(default=None, description="STT workers, ready/desired.")
    translation: Scaled | None = Field(default=None, description="Translation workers.")
    translation_summary: Summary | None = Field(default=None, description="Translation workers, ready/desired.")
