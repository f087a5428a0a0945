"""What all connections of a gateway share."""

from dataclasses import dataclass

from speechpipe_gateway.containers.stream import Unpackers
from speechpipe_gateway.live.factory import SessionFactory
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session import Options
from speechpipe_gateway.vad import VadBatcher, VadRule


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may do."""

    idle_seconds: float
    session_seconds: float
    messages_per_second: int


@dataclass(frozen=True, slots=True)
class Services:
    """What all connections of a gateway share."""

    factory: SessionFactory
    vad: VadBatcher
    rule: VadRule
    webrtc_aggressiveness: int
    sample_rate: int
    options: Options
    """Languages where a client says none."""
    metrics: GatewayMetrics
    unpackers: Unpackers
    limits: ConnectionLimits
