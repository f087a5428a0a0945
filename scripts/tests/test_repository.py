"""What must hold for the files of the repository."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

# Spelled in pieces, so that this file does not find itself.
MACHINE_PATHS = re.compile("|".join(["/" + "work/", "/" + "root/", "/home/" + r"\w", "/opt/" + "wheels"]))
INDEX_OPTIONS = re.compile("--" + r"(?:extra-)?(?:default-)?index(?:-url)?[ =]|" + "--find" + r"-links[ =]")
HOSTS = re.compile(r"https?://(?!localhost\b|127\.0\.0\.1\b|speechpipe\.dev\b)[\w.-]+")
"""All but this machine, and the project's own pages, which a package names."""

CODE = re.compile(r"`[^`\n]*`")
"""Code within a line of Markdown: a regular expression may look like a link."""

INSTALLERS = ("Makefile", "scripts/*.sh", "scripts/*.py", "requirements/*", ".ci/*", "*pyproject.toml")


def tracked(root: Path, *patterns: str) -> Iterator[tuple[Path, str]]:
    """Name and text of each tracked file that matches; binary files left out."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=root, capture_output=True, text=True, check=True
    )
    for name in filter(None, listing.stdout.split("\0")):
        path = root / name
        if not path.is_file():  # removed but not committed yet
            continue
        try:
            yield Path(name), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_path_of_one_machine_is_committed(root: Path) -> None:
    """Everything works from wherever the repository is cloned to."""
    found = [f"{name}: {match[0]}" for name, text in tracked(root) for match in MACHINE_PATHS.finditer(text)]
    assert found == []


def test_nothing_installs_from_a_host_of_its_own_choice(root: Path) -> None:
    """Where packages come from is the user's configuration, never ours."""
    found = [
        f"{name}: {match[0]}"
        for name, text in tracked(root, *INSTALLERS)
        for pattern in (INDEX_OPTIONS, HOSTS)
        for match in pattern.finditer(text)
    ]
    assert found == []


def test_every_make_target_is_documented(root: Path) -> None:
    """`make help` lists every target that a person can call."""
    makefile = (root / "Makefile").read_text()
    callable_targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))
    documented = set(re.findall(r"^([a-z][a-z0-9-]*):.*## \S", makefile, re.MULTILINE))
    assert callable_targets == documented
    shown = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    assert [target for target in documented if f"{target} " not in shown] == []


def test_generated_files_are_what_the_code_says(root: Path, tmp_path: Path) -> None:
    """What `make generate` writes is in the repository, and up to date."""
    files = {
        "SETTINGS_PAGE": "docs/settings.md",
        "CRD": "crds/speechpipelines.yaml",
        "RESOURCE_PAGE": "docs/resource.md",
        "METRICS_PAGE": "docs/metrics.md",
    }
    written = {name: tmp_path / Path(file).name for name, file in files.items()}
    chart = tmp_path / "chart"
    # The environment that runs this test is the one to ask: nothing is installed anew.
    make = ["make", "--silent", "--assume-old=.venv/.done/packages"]
    subprocess.run(
        [*make, "generate", *(f"{name}={path}" for name, path in written.items()), f"CHART={chart}"],
        cwd=root,
        check=True,
    )
    differing = [file for name, file in files.items() if (root / file).read_text() != written[name].read_text()]
    of_the_chart = [path.relative_to(chart) for path in chart.rglob("*") if path.is_file()]
    assert of_the_chart
    differing += [
        f"charts/speechpipe/{file}"
        for file in of_the_chart
        if (root / "charts" / "speechpipe" / file).read_text() != (chart / file).read_text()
    ]
    assert differing == [], "run make generate"


def test_links_between_pages_lead_somewhere(root: Path) -> None:
    """A relative link in a page for people names a file that exists."""
    dangling = [
        f"{name}: {link}"
        for name, text in tracked(root, "*.md")
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", CODE.sub("", text))
        if not (root / name.parent / link).exists()
    ]
    assert dangling == []
