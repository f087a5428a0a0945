"""``autoscaling`` of workers and gateways."""

from typing import Literal

from pydantic import Field

from speechpipe_operator.spec.base import Strict
from speechpipe_operator.spec.rules import rule


class Autoscaling(Strict):
    """How many workers run, by the work that waits in Redis."""

    mode: Literal["auto", "external"] = Field(
        default="auto", description="auto: the operator scales; external: something else (an HPA) sets the replicas."
    )
    min_replicas: int = Field(default=1, ge=0, le=1000, description="Never fewer; 0 lets the pipeline rest entirely.")
    max_replicas: int = Field(default=4, ge=1, le=1000, description="Never more.")
    drain_seconds: int = Field(
        default=10, ge=1, le=3600, description="A backlog should be worked off within this; less means more workers."
    )
    utilization_percent: int = Field(
        default=70, ge=10, le=100, description="Share of its time that a worker should be busy under constant load."
    )
    speed_percent: int = Field(
        default=300,
        ge=1,
        le=100_000,
        description="Audio that one worker decodes while busy, in percent of real time, until that has been measured.",
    )
    stabilization_seconds: int = Field(
        default=120, ge=0, le=3600, description="Fewer workers must have been enough for so long before any goes."
    )
    cooldown_seconds: int = Field(
        default=300, ge=0, le=86_400, description="Nothing may have waited for so long before the last worker goes."
    )
    scale_down_percent: int = Field(
        default=50, ge=1, le=100, description="Most workers to take away within a minute, of those there are."
    )

    @rule("self.minReplicas <= self.maxReplicas", "minReplicas must not be more than maxReplicas")
    def _bounds_are_ordered(self) -> bool:
        return self.min_replicas <= self.max_replicas


class GatewayAutoscaling(Strict):
    """How many gateways run, by their CPU (a HorizontalPodAutoscaler)."""

    min_replicas: int = Field(default=1, ge=1, le=1000, description="Never fewer.")
    max_replicas: int = Field(default=4, ge=1, le=1000, description="Never more.")
    cpu_percent: int = Field(default=70, ge=10, le=100, description="Share of the requested CPU to aim at.")

    @rule("self.minReplicas <= self.maxReplicas", "minReplicas must not be more than maxReplicas")
    def _bounds_are_ordered(self) -> bool:
        return self.min_replicas <= self.max_replicas
