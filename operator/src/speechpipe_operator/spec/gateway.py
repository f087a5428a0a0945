"""``spec.gateway``: where clients connect, and how speech is told from silence."""

from typing import Annotated

from pydantic import Field

from speechpipe_operator.spec.auth import Auth
from speechpipe_operator.spec.autoscaling import GatewayAutoscaling
from speechpipe_operator.spec.base import (
    ONE_NUMBER,
    Different,
    Environment,
    Port,
    Replicas,
    Strict,
    not_defaulted,
)
from speechpipe_operator.spec.exposure import HttpRoute, Ingress, ServiceExposure
from speechpipe_operator.spec.kubernetes import PodTemplate
from speechpipe_operator.spec.rules import rule
from speechpipe_operator.spec.scheduling import Resources


class Vad(Strict):
    """Voice activity detection: when an utterance begins and ends."""

    silence_threshold_milliseconds: int = Field(
        default=800, ge=200, le=10_000, description="Silence that ends an utterance and makes its text final."
    )
    candidate_milliseconds: int = Field(
        default=300,
        ge=100,
        le=5_000,
        description="Silence after which the final text is prepared, to be there when the utterance ends.",
    )
    pre_speech_buffer_milliseconds: int = Field(
        default=1000, ge=100, le=5_000, description="Audio kept from before the onset, so that no first word is cut."
    )
    longest_segment_milliseconds: int = Field(
        default=10_000, ge=3_000, le=28_000, description="Speech without a pause is cut, at a quiet place, after this."
    )
    minimum_speech_milliseconds: int = Field(
        default=250, ge=0, le=2_000, description="Anything shorter is noise and is not transcribed."
    )
    webrtc_sensitivity: int = Field(
        default=3, ge=0, le=3, description="Aggressiveness of the WebRTC detector: 3 takes the least for speech."
    )
    silero_sensitivity_percent: int = Field(
        default=70, ge=5, le=95, description="How easily the Silero detector hears speech; 95 hears it most easily."
    )

    @rule(
        "self.candidateMilliseconds <= self.silenceThresholdMilliseconds",
        "candidateMilliseconds must not be more than silenceThresholdMilliseconds",
    )
    def _candidate_comes_before_the_end(self) -> bool:
        return self.candidate_milliseconds <= self.silence_threshold_milliseconds

    @rule(
        "self.silenceThresholdMilliseconds < self.longestSegmentMilliseconds",
        "silenceThresholdMilliseconds must be less than longestSegmentMilliseconds",
    )
    def _pause_fits_into_a_segment(self) -> bool:
        return self.silence_threshold_milliseconds < self.longest_segment_milliseconds


class Limits(Strict):
    """When a gateway says that it is full."""

    sessions: int = Field(default=200, ge=1, le=100_000, description="Sessions on one gateway.")
    sessions_per_key: int = Field(default=100, ge=1, le=100_000, description="Sessions of one API key on one gateway.")
    queue_depth: int = Field(
        default=100, ge=1, le=1_000_000, description="Jobs waiting in Redis beyond which no new session is admitted."
    )


Origin = Annotated[str, Field(max_length=512, pattern=r"^(\*|https?://[^/,\s]+)$")]


class Gateway(Strict):
    """The WebSocket servers that clients talk to."""

    replicas: Replicas = Field(
        default=1, description="How many gateways run; absent: 1.", json_schema_extra=not_defaulted
    )
    autoscaling: GatewayAutoscaling | None = Field(
        default=None, description="Let a HorizontalPodAutoscaler choose the number, instead of replicas."
    )
    port: Port = Field(default=5026, description="Port of the WebSocket server.")
    vad: Vad = Field(default_factory=Vad, description="When an utterance begins and ends.")
    limits: Limits = Field(default_factory=Limits, description="When a gateway says that it is full.")
    auth: Auth = Field(description="Who may connect.")
    allowed_origins: Annotated[tuple[Origin, ...], Field(strict=False, max_length=64), Different] = Field(
        default=(),
        description="Origins of web pages that may connect, or *; none: the gateway's own host only.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    service: ServiceExposure = Field(default_factory=ServiceExposure, description="The gateway's Service.")
    ingress: Ingress | None = Field(default=None, description="An Ingress in front of the gateways.")
    http_route: HttpRoute | None = Field(default=None, description="A route of the Gateway API to the gateways.")
    resources: Resources = Field(default_factory=Resources, description="Compute resources of one gateway.")
    pod_template: PodTemplate = Field(default_factory=dict, description="Merged over the gateways' pod template.")
    env: Environment = Field(default_factory=dict, description="Further settings of the process, by environment name.")

    @rule(ONE_NUMBER.rule, ONE_NUMBER.message)
    def _one_number(self) -> bool:
        return self.autoscaling is None or "replicas" not in self.model_fields_set
