"""kubectl as functions: what the suite knows of the cluster, it asks as any user would."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

Json = dict[str, Any]
"""An object of the API."""

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120.0
MANAGER = "speechpipe-e2e"


class CommandError(RuntimeError):
    """A command failed; the message ends with what it said."""

    def __init__(self, command: Sequence[str], status: int, said: str) -> None:
        super().__init__(f"{' '.join(command)[:400]} ended with {status}: {said.strip()[-2000:]}")
        self.said = said


@cache
def tool(name: str) -> str:
    """Path of kubectl or helm: on PATH, else what ``scripts/kubernetes.py`` has built.

    Raises:
        RuntimeError: it is nowhere.
    """
    if found := shutil.which(name):
        return found
    command = (sys.executable, str(ROOT / "scripts" / "kubernetes.py"), "--find", name)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} is neither on PATH nor built: {done.stderr.strip()}")
    return str(Path(done.stdout.strip()) / name)


def run(
    name: str, *arguments: str, stdin: str | None = None, seconds: float = SECONDS, env: Mapping[str, str] | None = None
) -> str:
    """Run kubectl or helm; its standard output.

    Raises:
        CommandError: it did not end with 0.
        subprocess.TimeoutExpired: it did not end in time.
    """
    command = (tool(name), *arguments)
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={**os.environ, **(env or {})},
    )
    if done.returncode:
        raise CommandError((name, *arguments), done.returncode, done.stderr + done.stdout)
    return done.stdout


def kubectl(*arguments: str, stdin: str | None = None, seconds: float = SECONDS) -> str:
    """Run kubectl. Raises as ``run`` does."""
    return run("kubectl", *arguments, stdin=stdin, seconds=seconds)


def apply(*documents: Json) -> None:
    """Server-side apply; all or an error."""
    body = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(documents)})
    kubectl("apply", "--server-side", "--force-conflicts", f"--field-manager={MANAGER}", "-f", "-", stdin=body)


def find(kind: str, name: str, namespace: str = "") -> Json | None:
    """An object, None where there is none."""
    found = kubectl("get", kind, name, *_in(namespace), "-o", "json", "--ignore-not-found")
    parsed: Json | None = json.loads(found) if found.strip() else None
    return parsed


def get(kind: str, name: str, namespace: str = "") -> Json:
    """An object.

    Raises:
        CommandError: there is none.
    """
    parsed: Json = json.loads(kubectl("get", kind, name, *_in(namespace), "-o", "json"))
    return parsed


def items(kind: str, namespace: str = "", selector: str = "") -> list[Json]:
    """All objects of a kind; of every namespace where none is given."""
    where = _in(namespace) or ("--all-namespaces",)
    chosen = ("-l", selector) if selector else ()
    found: list[Json] = json.loads(kubectl("get", kind, *where, *chosen, "-o", "json"))["items"]
    return found


def patch(kind: str, name: str, body: Any, namespace: str = "", *, form: str = "merge", subresource: str = "") -> None:
    """Patch an object: ``merge`` by RFC 7386, ``json`` by RFC 6902."""
    part = (f"--subresource={subresource}",) if subresource else ()
    kubectl("patch", kind, name, *_in(namespace), *part, f"--type={form}", "-p", json.dumps(body))


def delete(kind: str, *names: str, namespace: str = "", wait: bool = True, seconds: float = SECONDS) -> None:
    """Delete objects; those that are gone already are no error."""
    if names:
        waiting = f"--wait={str(wait).lower()}"
        kubectl("delete", kind, *names, *_in(namespace), "--ignore-not-found", waiting, seconds=seconds)


def execute(pod: str, namespace: str, *command: str, stdin: str | None = None, seconds: float = SECONDS) -> str:
    """Run a command in the first container of a pod; its output."""
    talks = ("-i",) if stdin is not None else ()
    return kubectl("exec", *talks, pod, "-n", namespace, "--", *command, stdin=stdin, seconds=seconds)


def _in(namespace: str) -> tuple[str, ...]:
    return ("-n", namespace) if namespace else ()
