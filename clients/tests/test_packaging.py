"""The wheel that is published, built without a network and tried where nothing else of the repository is."""

import os
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "python"
MEMBERS = (ROOT / "services" / "common", ROOT / "clients")


def run(*command: object, cwd: Path, **environment: str) -> str:
    """Run a command; what it prints."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Wheels of the client and of what it needs of ours, by package."""
    folder = tmp_path_factory.mktemp("wheels")
    for member in MEMBERS:
        run("-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=member)
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def installed(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which they were installed."""
    target = tmp_path_factory.mktemp("site")
    run("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", target, *wheels.values(), cwd=target)
    return target


def metadata(wheel: Path) -> Message:
    """Of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_the_wheel_holds_the_library_and_nothing_else(wheels: dict[str, Path]):
    """The package with its types marker, and no tests."""
    with zipfile.ZipFile(wheels["speechpipe_client"]) as archive:
        names = archive.namelist()
    assert "speechpipe_client/py.typed" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"speechpipe_client"}
    with zipfile.ZipFile(wheels["speechpipe_common"]) as archive:
        assert "speechpipe_common/languages.json" in archive.namelist()


def test_the_metadata_tells_what_a_page_needs(wheels: dict[str, Path]):
    """Description, licence, interpreter, links, and extras; what is asked of our other package is a range."""
    fields = metadata(wheels["speechpipe_client"])
    assert fields["Description-Content-Type"] == "text/markdown"
    assert str(fields.get_payload()).startswith("# speechpipe-client\n")
    assert fields["License-Expression"] == "Apache-2.0"
    assert fields["Requires-Python"] == ">=3.11"
    assert "Typing :: Typed" in fields.get_all("Classifier", [])
    assert {line.split(",")[0] for line in fields.get_all("Project-URL", [])} == {
        "Homepage",
        "Documentation",
        "Protocol",
    }
    assert {"microphone", "desktop", "verify", "load", "demo"} <= set(fields.get_all("Provides-Extra", []))
    always = [line for line in fields.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert "speechpipe-common<0.2,>=0.1" in always
    common = metadata(wheels["speechpipe_common"])
    assert common["Version"].startswith("0.1.")
    assert "speechpipe-client" in str(common.get_payload())
    assert [line for line in common.get_all("Requires-Dist", []) if "extra ==" not in line] == ["msgspec>=0.22"]


def test_each_extra_is_explained_on_the_page(wheels: dict[str, Path]):
    """README.md has a line for each of them."""
    fields = metadata(wheels["speechpipe_client"])
    page = str(fields.get_payload())
    assert [name for name in fields.get_all("Provides-Extra", []) if f"| `{name}` |" not in page] == []


def test_the_installed_wheel_works(installed: Path):
    """What was installed is what is imported; the library needs none of its extras, and the command is there."""
    code = "import speechpipe_client, speechpipe_client.sync, sys; print(speechpipe_client.__file__, *sys.modules)"
    where, *modules = run("-c", code, cwd=installed, PYTHONPATH=str(installed)).split()
    assert Path(where).is_relative_to(installed)
    assert {"sounddevice", "PySide6", "typer", "redis", "fastapi", "torch"}.isdisjoint(modules)
    shown = run(installed / "bin" / "speechpipe", "--help", cwd=installed, PYTHONPATH=str(installed))
    assert "transcribe" in shown


def test_the_types_of_the_installed_wheel_are_complete(installed: Path, tmp_path: Path):
    """Strictly checked programs that use the wheel, the examples too, get its types, down to the fields of an event."""
    program = tmp_path / "program.py"
    program.write_text(
        "from speechpipe_client import Final, connect, sync\n\n\n"
        "async def hear() -> list[str]:\n"
        '    async with connect("ws://x/ws", language="en", sample_rate=8000) as session:\n'
        "        return [event.text async for event in session if isinstance(event, Final)]\n\n\n"
        'def starts() -> list[float]:\n    with sync.connect("ws://x/ws") as session:\n'
        "        return [event.start for event in session if isinstance(event, Final)]\n"
    )
    wrong = tmp_path / "wrong.py"
    wrong.write_text('from speechpipe_client import connect\n\nconnect("ws://x/ws", sample_rate="8000")\n')
    mypy = (
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--no-error-summary",
        "--cache-dir",
        str(tmp_path / "cache"),
    )
    run(*mypy, program, *sorted(EXAMPLES.glob("*.py")), cwd=tmp_path, MYPYPATH=str(installed))
    with pytest.raises(AssertionError, match='"sample_rate"'):
        run(*mypy, wrong, cwd=tmp_path, MYPYPATH=str(installed))
