"""Failed calls as problems of children: a reason that never changes its name, and a sentence with what to do. Pure."""

from typing import Final, Literal

from speechpipe_operator.kube import (
    Forbidden,
    Invalid,
    KindMissing,
    KubeError,
    NamespaceMissing,
)
from speechpipe_operator.objects import Ref
from speechpipe_operator.observed import ApplyProblem

WITH_PODS: Final = ("Deployment", "StatefulSet")

Reason = Literal["PodTemplateInvalid", "Forbidden", "Invalid", "NamespaceMissing", "KindMissing", "Unavailable"]


def problem(child: Ref, error: KubeError) -> ApplyProblem:
    """Why ``child`` is not as it should be."""
    reason, advice = _reason(child, error)
    return ApplyProblem(child, reason, f"{error}{advice}", permanent=error.permanent)


def name_conflict(child: Ref, *, owned: bool, heir: bool) -> ApplyProblem:
    """An object of that name is there and is not ours.

    Args:
        child: what should have been applied.
        owned: the object belongs to something else.
        heir: it belongs to a pipeline of this name that is gone, so that it will go as well.
    """
    if heir:
        what = "is left from a deleted pipeline of the same name; it is replaced as soon as it is gone"
        return ApplyProblem(child, "NameConflict", f"{child} {what}", permanent=False)
    whose = "belongs to something else" if owned else "was not made by this pipeline"
    what = f"{child} {whose}, so it is left alone; rename or delete it, or give the pipeline another name"
    return ApplyProblem(child, "NameConflict", what, permanent=True)


def contested(child: Ref, seconds: float) -> ApplyProblem:
    """Somebody keeps changing what is ours."""
    what = f"something else keeps changing {child}, which is mended every {seconds:.0f} s only; find it by"
    tell = f"kubectl get {child.kind.lower()} {child.name} -o yaml --show-managed-fields"
    return ApplyProblem(child, "Contested", f"{what}: {tell}", permanent=False)


def _reason(child: Ref, error: KubeError) -> tuple[Reason, str]:
    if isinstance(error, Invalid):
        return _invalid(child, error)
    if isinstance(error, Forbidden):
        return "Forbidden", ""
    if isinstance(error, NamespaceMissing):
        return "NamespaceMissing", ""
    if isinstance(error, KindMissing):
        return "KindMissing", ""
    return "Unavailable", ""


def _invalid(child: Ref, error: Invalid) -> tuple[Reason, str]:
    if error.immutable and not error.malformed:
        fields = ", ".join(sorted(set(error.immutable)))
        return (
            "Invalid",
            f"; {fields} of {child} can't be changed: revert the change, or delete {child} to have it made anew",
        )
    in_template = error.malformed or any(path.startswith("spec.template") for path, _ in error.fields)
    if child.kind in WITH_PODS and in_template:
        return "PodTemplateInvalid", "; correct spec.podTemplate or the component's podTemplate"
    return "Invalid", ""
