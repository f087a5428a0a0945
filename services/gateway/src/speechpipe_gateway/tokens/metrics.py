"""What is counted about tokens."""

from prometheus_client import CollectorRegistry, Counter

from speechpipe_common.metrics import PREFIX


class TokenMetrics:
    """Metrics of one gateway's signing keys, in its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jwks_fetches = Counter(
            PREFIX + "jwks_fetches",
            "Requests for the keys that sign tokens, by outcome (ok or failed).",
            ["outcome"],
            registry=registry,
        )
        for outcome in ("ok", "failed"):
            self.jwks_fetches.labels(outcome)
