"""The lock file and what the members ask for."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

MEMBERS = ("services/common", "services/gateway", "services/stt", "services/translate", "operator", "clients")
LOCKED_EXTRAS = ("service", "ctranslate2", "local", "microphone", "demo", "load")
"""Extras that `requirements/compile.sh` names; EasyNMT has an environment of its own."""

IMAGES = {
    "gateway": {"services/common": ["service"], "services/gateway": []},
    "stt": {"services/common": ["service"], "services/stt": []},
    "stt-cuda": {"services/common": ["service"], "services/stt": []},
    "translation": {"services/common": ["service"], "services/translate": ["ctranslate2"]},
    "translation-cuda": {"services/common": ["service"], "services/translate": ["ctranslate2"]},
    "operator": {"services/common": ["service"], "operator": []},
    "client": {"services/common": [], "clients": ["verify"]},
}
"""Locks of images, with the members in them and the extras that these have there."""


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


def wanted(root: Path, member: str, named: Sequence[str] = LOCKED_EXTRAS) -> list[Requirement]:
    """What a member asks for on this interpreter, the extras included that are named."""
    project = tomllib.loads((root / member / "pyproject.toml").read_text())["project"]
    extras = project.get("optional-dependencies", {})
    lines = [*project["dependencies"], *(line for name in named for line in extras.get(name, []))]
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
    locks = sorted((root / "requirements").rglob("*.txt"))
    requirements = [lock for lock in locks if not lock.name.startswith("apt") and "overrides" not in lock.name]
    assert [line for lock in requirements for line in logical_lines(lock) if " --hash=sha256:" not in line] == []


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_what_its_members_ask_for(root: Path, image: str) -> None:
    """Each dependency is in the image's lock, in the version that was tested."""
    locked, tested = pins(root / "requirements" / "images" / f"{image}.txt"), pins(root / "requirements" / "dev.txt")
    asked = [item for member, extras in IMAGES[image].items() for item in wanted(root, member, extras)]
    assert [str(item) for item in asked if canonicalize_name(item.name) not in locked] == [], "run make lock"
    others = {name: version for name, version in locked.items() if tested.get(name, version) != version}
    assert others == {}, "run make lock"
