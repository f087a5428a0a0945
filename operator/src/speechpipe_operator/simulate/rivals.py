"""The other autoscalers as ``--compare`` shows them: as they come, and as they did best on the tuning traces."""

from dataclasses import replace
from typing import Final

from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.simulate.contest import Candidate
from speechpipe_operator.simulate.hpa import Behavior, Direction
from speechpipe_operator.simulate.keda import ScaledObject
from speechpipe_operator.simulate.kpa import KpaConfig

SOONER_DOWN: Final = Behavior(down=Direction(120.0, Behavior().down.rules))
"""An HPA that takes pods away after two minutes instead of five."""
TUNED_KEDA: Final = ScaledObject(triggers=(("pendingEntriesCount", 0.7), ("lagCount", 3.0)), behavior=SOONER_DOWN)
TUNED_KPA: Final = KpaConfig()
"""Knative's defaults, for workers that do one job at a time, were the best."""


def rivals(policy: Policy) -> tuple[Candidate, ...]:
    """Each within the bounds of ``policy``."""
    least, most = policy.min_replicas, policy.max_replicas
    plain = ScaledObject(triggers=(("lagCount", 5.0),))
    return tuple(
        Candidate(label, replace(settings, min_replicas=least, max_replicas=most))
        for label, settings in (
            ("KEDA + HPA, defaults", plain),
            ("KEDA + HPA, tuned", TUNED_KEDA),
            ("Knative KPA, tuned", TUNED_KPA),
        )
    )
