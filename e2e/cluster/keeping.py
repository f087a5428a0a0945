"""What is kept of a test that failed: logs, events, descriptions, and what the pipelines said."""

import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kubectl import CommandError, items, kubectl
from progress import say

ROUND_SECONDS = 60.0


def keep(folder: Path, namespaces: Iterable[str]) -> None:
    """Write everything about these namespaces, and the nodes, into a folder. What can't be had is said in its place."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"nodes.txt": ("describe", "nodes"), "volumes.yaml": ("get", "pv", "-o", "yaml")}
    for namespace in namespaces:
        where = ("-n", namespace)
        asked |= {
            f"{namespace}/events.txt": ("get", "events", *where, "--sort-by=.lastTimestamp"),
            f"{namespace}/pods.txt": ("describe", "pods", *where),
            f"{namespace}/objects.txt": ("get", "all,pvc,networkpolicies,configmaps", *where, "-o", "wide"),
            f"{namespace}/sp.yaml": ("get", "sp", *where, "-o", "yaml"),
            **_logs(namespace),
        }
    with ThreadPoolExecutor(2) as pool:
        for name, text in zip(asked, pool.map(_answer, asked.values()), strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    say(f"  kept in {folder}")


def _logs(namespace: str) -> dict[str, tuple[str, ...]]:
    """Logs by file, of what ran before a restart too."""
    try:
        pods = items("pods", namespace)
    except (CommandError, subprocess.TimeoutExpired):
        return {}
    asked: dict[str, tuple[str, ...]] = {}
    for pod in pods:
        name = pod["metadata"]["name"]
        command: tuple[str, ...] = ("logs", name, "-n", namespace, "--all-containers", "--timestamps", "--prefix")
        asked[f"{namespace}/{name}.log"] = command
        if any(status.get("restartCount") for status in pod["status"].get("containerStatuses", ())):
            asked[f"{namespace}/{name}.previous.log"] = (*command, "--previous")
    return asked


def _answer(command: tuple[str, ...]) -> str:
    try:
        return kubectl(*command, seconds=ROUND_SECONDS)
    except (CommandError, subprocess.TimeoutExpired) as error:
        return f"{error}\n"
