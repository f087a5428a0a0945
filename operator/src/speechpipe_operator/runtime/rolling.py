"""How many pipelines an upgrade of the operator may roll at once. Pure; the clock is passed in.

A new operator may render pods differently. So the first reconcile of a pipeline whose spec nobody has touched needs a
place, and keeps it while pods are being replaced; where the rendering is equal it is given back within milliseconds. A
changed spec needs no place: whoever changed it wants it now.
"""

from typing import Final

LONGEST_SECONDS: Final = 600.0
"""A rollout that does not end (no GPU is free, an image is missing) keeps its place for so long, and then no more."""


class RollGate:
    """Places for pipelines that may roll because of an upgrade.

    Args:
        places: how many at once.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._since: dict[object, float] = {}
        self._written: set[object] = set()
        self._passed: set[object] = set()

    def enter(self, key: object, now: float, *, spec_changed: bool) -> bool:
        """Whether ``key`` may be reconciled now; it is asked for again later where it may not.

        Args:
            key: the pipeline.
            now: monotonic seconds.
            spec_changed: its spec is not the one that an operator has applied already.
        """
        if key in self._passed or key in self._since:
            return True
        if spec_changed:
            self._passed.add(key)
            return True
        for other, since in tuple(self._since.items()):
            if now - since > LONGEST_SECONDS:
                self._pass(other)
        if len(self._since) >= self._places:
            return False
        self._since[key] = now
        return True

    def settle(self, key: object, *, wrote: bool, rolling: bool) -> None:
        """``key`` has been reconciled.

        Args:
            key: the pipeline.
            wrote: a workload was changed by it; one that rolls for another reason needs no place.
            rolling: pods are being replaced.
        """
        if key not in self._since:
            return
        if wrote:
            self._written.add(key)
        if key not in self._written or not rolling:
            self._pass(key)

    def forget(self, key: object) -> None:
        """The pipeline is gone."""
        self._since.pop(key, None)
        self._written.discard(key)
        self._passed.discard(key)

    def _pass(self, key: object) -> None:
        del self._since[key]
        self._written.discard(key)
        self._passed.add(key)
