"""The lock file and what the members ask for."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

MEMBERS = ("services/common", "services/gateway", "services/stt", "services/translate", "operator", "clients")
LOCKED_EXTRAS = ("service", "ctranslate2", "local", "microphone", "demo")
"""Extras that `requirements/compile.sh` names; EasyNMT has an environment of its own."""


def logical_lines(path: Path) -> list[str]:
    """Lines of a requirements file with continuations joined and comments dropped."""
    joined = path.read_text().replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(path: Path) -> dict[str, Version]:
    """Version of each pinned package."""
    found: dict[str, Version] = {}
    for line in logical_lines(path):
        requirement = Requirement(line.split(" --hash=")[0])
        (specifier,) = requirement.specifier
        found[canonicalize_name(requirement.name)] = Version(specifier.version)
    return found


def wanted(root: Path, member: str) -> list[Requirement]:
    """What a member asks for on this interpreter, its locked extras included."""
    project = tomllib.loads((root / member / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    lines = [*project["dependencies"], *(line for name in LOCKED_EXTRAS for line in extras.get(name, []))]
    found = [Requirement(line) for line in lines]
    return [item for item in found if not item.name.startswith("speechpipe-")]


@pytest.mark.parametrize("member", MEMBERS)
def test_the_lock_holds_what_a_member_asks_for(root: Path, member: str) -> None:
    """Each dependency of a member is pinned, at a version that its pyproject.toml allows."""
    locked = pins(root / "requirements" / "dev.txt")
    missing = [
        str(item)
        for item in wanted(root, member)
        if (version := locked.get(canonicalize_name(item.name))) is None or version not in item.specifier
    ]
    assert missing == [], "run make lock"


def test_the_lock_holds_the_tools(root: Path) -> None:
    """Each tool of dev.in is pinned."""
    locked = pins(root / "requirements" / "dev.txt")
    tools = [Requirement(line) for line in logical_lines(root / "requirements" / "dev.in")]
    assert [tool.name for tool in tools if canonicalize_name(tool.name) not in locked] == [], "run make lock"


def test_every_pin_has_a_hash(root: Path) -> None:
    """Nothing is installed that was not named by its digest."""
    locks = sorted((root / "requirements").glob("*.txt"))
    requirements = [lock for lock in locks if lock.name != "apt.txt" and not lock.name.endswith("overrides.txt")]
    assert [line for lock in requirements for line in logical_lines(lock) if " --hash=sha256:" not in line] == []
