"""When a call to the API server is tried again. Pure, but for chance, which is passed in."""

from dataclasses import dataclass

from speechpipe_operator.kube.errors import KubeError, Unauthorized, Unavailable


@dataclass(frozen=True, slots=True)
class Retry:
    """Full-jitter exponential backoff (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015); seconds.

    The bound is short: the queue of reconciles tries whole pipelines again, with patience.
    """

    attempts: int = 4
    first: float = 0.2
    longest: float = 5.0

    def wait(self, attempt: int, error: KubeError, chance: float) -> float | None:
        """How long to wait before trying once more; None: give up.

        Args:
            attempt: how often it has failed, from 1.
            error: how it failed the last time.
            chance: uniform in [0, 1).
        """
        if attempt >= self.attempts or not isinstance(error, Unavailable | Unauthorized):
            return None
        if error.retry_after is not None:
            # Spread those who were told the same, but never come earlier than told.
            return min(error.retry_after, self.longest) + chance * self.first
        ceiling: float = min(self.longest, self.first * 2 ** (attempt - 1))
        return chance * ceiling
