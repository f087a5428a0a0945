"""The Secrets that a pipeline's spec names: which are missing, and what of them replaces pods when it changes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from speechpipe_operator.components import FromSecret, Plan
from speechpipe_operator.kube import KubeApi
from speechpipe_operator.objects import checksum
from speechpipe_operator.reconcile.cache import PipelineKey
from speechpipe_operator.reconcile.secrets import Secrets
from speechpipe_operator.spec import SpeechPipeline


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One key of a Secret, or all of it where ``key`` is empty."""

    secret: str
    key: str = ""
    at_start: bool = False
    """Processes read it only when they start."""

    def __str__(self) -> str:
        """As ``Observed.missing_secrets`` has it."""
        return f"{self.secret}/{self.key}" if self.key else self.secret


@dataclass(frozen=True, slots=True)
class Needed:
    """What was found."""

    missing: tuple[str, ...]
    sums: Mapping[str, str]
    """Checksum by Secret, over the keys that are read at start."""


def needs(pipeline: SpeechPipeline, plan: Plan) -> tuple[Need, ...]:
    """Every Secret that the user is to provide. Pure."""
    return tuple(sorted(set(_needs(pipeline, plan))))


async def look_up(api: KubeApi, secrets: Secrets, key: PipelineKey, wanted: tuple[Need, ...]) -> Needed:
    """Look at each of them. One that vanished counts as it was last, so that its absence replaces no running pod.

    Raises:
        KubeError: one can't be read; then nothing is known, and nothing may be rendered.
    """
    missing: list[str] = []
    sums: dict[str, dict[str, str]] = {}
    for need in wanted:
        facts = await secrets.look(api, key.namespace, need.secret)
        if facts is None:
            missing.append(need.secret)
        elif need.key and need.key not in facts.sums:
            missing.append(str(need))
        last = facts or secrets.last(key.namespace, need.secret)
        if need.at_start and last is not None and need.key in last.sums:
            sums.setdefault(need.secret, {})[need.key] = last.sums[need.key]
    return Needed(tuple(dict.fromkeys(missing)), {name: checksum(keys) for name, keys in sums.items()})


def _needs(pipeline: SpeechPipeline, plan: Plan) -> Iterator[Need]:
    for component in plan.components:
        for value in component.env.values():
            if isinstance(value, FromSecret):
                yield Need(value.secret, value.key, at_start=not value.as_file)
    for name in pipeline.spec.images.pull_secrets:
        yield Need(name)
    bundle = pipeline.spec.ca_bundle
    if bundle is not None and bundle.secret is not None:
        yield Need(bundle.secret, bundle.key)
