"""What can go wrong with a call to the Kubernetes API, as sentences that say what was asked and what to do."""

import json
from dataclasses import dataclass
from typing import Any, Final

SCHEMA_REFUSALS: Final = ("failed to create typed patch object", "field not declared in schema")
"""Server-side apply says so, with HTTP status 500, when the object itself is malformed (tried on 1.34)."""

NAMESPACE_GOING: Final = "NamespaceTerminating"
"""Cause that the admission of a namespace being deleted gives."""


UNCHANGEABLE: Final = ("immutable", "may not change", "updates to")
"""Marks of messages about fields that can't be changed any more."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked. ``verb`` is RBAC's (get, list, create, patch, delete, watch), ``apply`` is a patch to RBAC."""

    verb: str
    kind: str
    plural: str
    group: str = ""
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None

    def __str__(self) -> str:
        """``apply Deployment/stt in namespace voice``."""
        what = self.kind + (f"/{self.name}" if self.name else "") + (f"/{self.subresource}" if self.subresource else "")
        return f"{self.verb} {what}" + (f" in namespace {self.namespace}" if self.namespace else "")

    @property
    def permission(self) -> str:
        """What a Role has to grant, in words."""
        resource = self.plural + (f"/{self.subresource}" if self.subresource else "")
        group = f" of API group {self.group}" if self.group else ""
        verb = "patch (and create)" if self.verb == "apply" else self.verb
        return f"{verb} {resource}{group}" + (f" in namespace {self.namespace}" if self.namespace else "")


class KubeError(Exception):
    """A call failed. ``permanent``: the same call fails again until somebody changes something."""

    permanent = True

    def __init__(self, call: Call, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        self.call = call
        self.status = status
        """HTTP status; 0 without an answer."""
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""
        super().__init__(message)


class NotFound(KubeError):
    """There is no such object."""


class NamespaceMissing(KubeError):
    """The namespace is not there, or is being deleted."""


class KindMissing(KubeError):
    """The API server does not know that kind: its CRD is not installed, or the version is too old."""


class Conflict(KubeError):
    """The object is another one than was thought: a precondition (UID, version, absence) failed, or it exists."""

    permanent = False


class Forbidden(KubeError):
    """RBAC or an admission rule refused."""


class Invalid(KubeError):
    """The API server takes no such object.

    Attributes:
        fields: what is wrong where, as the server gives it: (path, message).
        immutable: the fields that exist already and can't be changed.
        malformed: the object does not fit the kind's schema at all (an unknown field or a wrong type).
    """

    def __init__(
        self,
        call: Call,
        message: str,
        *,
        status: int = 0,
        fields: tuple[tuple[str, str], ...] = (),
        malformed: bool = False,
    ) -> None:
        super().__init__(call, message, status=status)
        self.fields = fields
        self.malformed = malformed

    @property
    def immutable(self) -> tuple[str, ...]:
        """Paths of fields that may not be changed any more."""
        return tuple(path for path, message in self.fields if any(mark in message for mark in UNCHANGEABLE))


class Unauthorized(KubeError):
    """The credentials are not accepted."""

    permanent = False


class Unavailable(KubeError):
    """No answer, or one that says to come again (429, 5xx)."""

    permanent = False


def from_answer(call: Call, status: int, body: bytes, retry_after: str | None = None) -> KubeError:
    """The error that an answer of 400 or more stands for."""
    detail = _status(body)
    message = str(detail.get("message") or body[:300].decode(errors="replace")).strip()
    details = detail.get("details") or {}
    causes = tuple((str(c.get("field", "")), str(c.get("message", ""))) for c in details.get("causes") or ())
    if status == 404:
        return _missing(call, detail, details, message)
    if status == 409 or (status == 422 and any(path == "metadata.uid" for path, _ in causes)):
        return Conflict(call, f"can't {call}: {message}", status=status)
    if status == 401:
        return Unauthorized(
            call, f"can't {call}: the API server does not accept the operator's credentials", status=401
        )
    if status == 403:
        return _forbidden(call, details, message)
    malformed = status == 500 and any(mark in message for mark in SCHEMA_REFUSALS)
    if malformed or status in (400, 405, 413, 415, 422):
        return Invalid(call, f"can't {call}: {message}", status=status, fields=causes, malformed=malformed)
    wait = float(retry_after) if retry_after and retry_after.isdigit() else None
    return Unavailable(call, f"can't {call}: HTTP {status}: {message}", status=status, retry_after=wait)


def _status(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _missing(call: Call, status: dict[str, Any], details: dict[str, Any], message: str) -> KubeError:
    if status.get("reason") != "NotFound" or not details.get("name"):
        what = f"{call.kind} ({call.plural}" + (f".{call.group})" if call.group else ")")
        return KindMissing(call, f"can't {call}: this cluster does not know {what}; install its CRD", status=404)
    if details.get("kind") == "namespaces" and call.kind != "Namespace":
        return NamespaceMissing(call, f"can't {call}: there is no such namespace", status=404)
    return NotFound(call, f"can't {call}: {message}", status=404)


def _forbidden(call: Call, details: dict[str, Any], message: str) -> KubeError:
    if any(cause.get("reason") == NAMESPACE_GOING for cause in details.get("causes") or ()):
        return NamespaceMissing(call, f"can't {call}: the namespace is being deleted", status=403)
    if "cannot" in message and "resource" in message:  # RBAC's own wording
        sentence = f"can't {call}: the operator's ServiceAccount lacks the permission to {call.permission}"
        return Forbidden(call, f"{sentence}; grant it by a Role or ClusterRole", status=403)
    return Forbidden(call, f"can't {call}: {message}", status=403)
