"""What images are made of, when they are built again, and what they are built upon. Building is for e2e/compose."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import image_base
import image_build
import image_list
import images
from image_list import IMAGES, Image, ImageError

from speechpipe_operator.plan_pods import VALKEY_TAG
from speechpipe_operator.spec import Images

INDEX = "https:" + "//mirror.example.org/simple"
CONTAINERFILES = sorted({image.containerfile for image in IMAGES.values()})


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small repository with one image, ``thing``."""
    (tmp_path / "src" / "tests").mkdir(parents=True)
    (tmp_path / "src" / "code.py").write_text("x = 1\n")
    (tmp_path / "src" / "tests" / "test_code.py").write_text("")
    (tmp_path / "lock.txt").write_text("a==1\n")
    (tmp_path / "lock-cuda.txt").write_text("b==1\n")
    (tmp_path / "Containerfile").write_text(
        "ARG BASE=x\nFROM ${BASE}\nARG VARIANT=\nCOPY lock${VARIANT}.txt /l\nCOPY src /src\nCOPY --from=other /a /b\n"
    )
    monkeypatch.setattr(image_list, "ROOT", tmp_path)
    return tmp_path


THING = Image("thing", "Containerfile", 1)
CUDA = Image("thing", "Containerfile", 1, {"VARIANT": "-cuda"})


def key(image: Image = THING, reference: str = "r/thing:1", base: str = "b") -> str:
    """The image's key now."""
    return image_list.key(image, reference, base)


def test_pods_find_what_was_built() -> None:
    """Registry, tag of Valkey and version are those that the operator asks for."""
    assert Images().registry == image_list.REGISTRY
    assert VALKEY_TAG == image_list.VALKEY_TAG
    assert IMAGES["valkey"].reference("r.example/x", "9.9.9") == f"r.example/x/valkey:{VALKEY_TAG}"
    assert IMAGES["stt-cuda"].reference("r.example/x", "9.9.9") == "r.example/x/stt:9.9.9-cuda"


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_every_containerfile_copies_what_there_is(image: Image) -> None:
    """Each copied file exists, tests are never among them, and the code of its member is."""
    sources = [str(path.relative_to(image_list.ROOT)) for path in image.sources()]
    assert sources
    assert [name for name in sources if "/tests/" in name or "__pycache__" in name] == []
    if image.name in ("gateway", "stt", "translation", "operator", "client"):
        assert f"{Path(image.containerfile).parent}/pyproject.toml" in sources


@pytest.mark.parametrize("name", CONTAINERFILES)
def test_a_containerfile_takes_any_base_and_nothing_unpinned(root: Path, name: str) -> None:
    """Stages begin with BASE or one another, packages come by hash, the user is a number, nothing checks health."""
    text = (root / name).read_text()
    assert text.count("ARG BASE=") == 1
    stages = set(re.findall(r" AS (\w+)$", text, re.MULTILINE))
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) <= stages | {"${BASE}"}
    installs = re.findall(r"^.*\bpip\b.* install (?:[^\n]*\\\n)*[^\n]*", text, re.MULTILINE)
    assert [
        line for line in installs if not ("--require-hashes" in line or "--no-index" in line or "python3-pip" in line)
    ] == []
    assert re.search(r"^USER (\d+):\1$", text, re.MULTILINE)
    assert "HEALTHCHECK" not in text
    for command in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", text, re.MULTILINE):
        assert command.startswith("["), "a shell in front would keep signals from the process"


def test_services_share_their_layers(root: Path) -> None:
    """What prepares the Python of a service is spelled the same in each Containerfile, so that it is built once."""
    stages = set()
    for name in CONTAINERFILES:
        if not name.startswith("images/"):
            (stage,) = re.findall(r"^FROM \S+ AS tools\n(.*?)\n\n", (root / name).read_text(), re.MULTILINE | re.DOTALL)
            stages.add(stage)
    assert len(stages) == 1


@pytest.mark.parametrize("package", ["gateway", "stt", "translate", "operator"])
def test_every_process_can_be_stopped_from_its_first_import_on(root: Path, package: str) -> None:
    """The first thing of ours that a process imports is what makes process 1 heed SIGTERM."""
    (main,) = [
        *root.glob(f"*/src/speechpipe_{package}/__main__.py"),
        *root.glob(f"*/*/src/speechpipe_{package}/__main__.py"),
    ]
    imports = re.findall(r"^(?:import|from) (speechpipe\S+)", main.read_text(), re.MULTILINE)
    assert imports[0] == "speechpipe_common.early"


def test_an_image_is_built_again_when_something_that_goes_in_has_changed(copy: Path) -> None:
    """The key follows sources, lock, Containerfile, base, reference and arguments, and nothing else."""
    before = key()
    (copy / "src" / "tests" / "test_code.py").write_text("another test\n")
    (copy / "unrelated.txt").write_text("x")
    assert key() == before
    seen = [before, key(base="c"), key(reference="r/thing:2"), key(CUDA)]
    for name, text in (("src/code.py", "x = 2\n"), ("src/more.py", ""), ("lock.txt", "a==2\n")):
        (copy / name).write_text(text)
        seen.append(key())
    (copy / "Containerfile").write_text((copy / "Containerfile").read_text() + "USER 1\n")
    seen.append(key())
    assert len(set(seen)) == len(seen)


def test_the_lock_of_a_variant_is_its_own(copy: Path) -> None:
    """An argument of the build is put into the names of what is copied."""
    assert copy / "lock.txt" in THING.sources()
    assert copy / "lock-cuda.txt" in CUDA.sources()
    assert copy / "lock.txt" not in CUDA.sources()


def test_a_containerfile_that_copies_what_is_missing_is_refused(copy: Path) -> None:
    """Before anything is built, in a sentence that names the file."""
    (copy / "lock.txt").unlink()
    with pytest.raises(ImageError, match=r"Containerfile copies lock\.txt, which"):
        key()


def test_names_that_are_none_are_refused() -> None:
    """The answer lists those that there are."""
    with pytest.raises(ImageError, match="gatway: there is no such image; there are gateway, stt,"):
        image_list.chosen(["stt", "gatway"])
    assert [image.label for image in image_list.chosen([])][:2] == ["gateway", "stt"]
    assert "stt-cuda" not in [image.label for image in image_list.chosen([])]
    assert [image.label for image in image_list.chosen(["stt-cuda"])] == ["stt-cuda"]


class Registry(BaseHTTPRequestHandler):
    """Answers as a registry does that wants a token, or as a proxy that refuses."""

    header = True
    status = 401

    def do_GET(self) -> None:
        """Any address."""
        self.send_response(self.status)
        if self.header:
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[type[BaseHTTPRequestHandler]], str]]:
    """Starts servers with a handler; their addresses."""
    servers: list[HTTPServer] = []

    def start(handler: type[BaseHTTPRequestHandler]) -> str:
        servers.append(HTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_registry_is_known_by_its_answer(serve: Callable[[type[BaseHTTPRequestHandler]], str]) -> None:
    """One that asks for a token is there; something that answers in its place is not."""
    assert image_base.answers(serve(Registry), 30)
    assert not image_base.answers(serve(type("Proxy", (Registry,), {"status": 403})), 30)
    assert not image_base.answers(serve(type("Page", (Registry,), {"header": False})), 30)
    assert not image_base.answers("http://127.0.0.1:1", 30)


def test_a_registry_that_hangs_is_given_up() -> None:
    """A server that takes the connection and says nothing does not keep the build waiting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        answered = threading.Event()

        def ask() -> None:
            assert not image_base.answers(f"http://127.0.0.1:{server.getsockname()[1]}", 0.2)
            answered.set()

        threading.Thread(target=ask, daemon=True).start()
        assert answered.wait(60)


def test_no_registry_is_asked_where_a_base_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """BASE decides; without it the registry's answer does."""
    asked: list[str] = []

    def answers(address: str, _: float) -> bool:
        asked.append(address)
        return len(asked) == 1

    monkeypatch.setattr(image_base, "answers", answers)
    assert image_base.choose("registry.example.org/python:3.11", print) == "registry.example.org/python:3.11"
    assert image_base.choose("debian", print) == image_base.DEBIAN
    assert asked == []
    assert image_base.choose("", print) == image_base.OFFICIAL
    assert image_base.choose("", print) == image_base.DEBIAN


def test_pip_inside_a_build_is_told_of_the_index_and_of_nothing_that_is_not_there(tmp_path: Path) -> None:
    """Index, proxy and patience are passed on; folders of this machine are not, and its authorities come along."""
    listing = (
        ":env:.default-timeout='180'\nglobal.cert='/x/ca.crt'\nglobal.find-links='/x/wheels'\n"
        f"global.index-url='{INDEX}'\ninstall.proxy='p:3128'\nglobal.target='/x'\n"
    )
    trusted = tmp_path / "ca.crt"
    trusted.write_text("")
    assert image_build.pip_options(listing, {"PIP_CERT": str(trusted)}) == {
        "cert": "/run/secrets/ca.crt",
        "default-timeout": "180",
        "index-url": INDEX,
        "proxy": "p:3128",
    }


def test_an_unknown_builder_is_refused(tmp_path: Path) -> None:
    """Before anything is asked or installed."""
    with pytest.raises(ImageError, match="BUILDER=podman is unknown; there are docker and buildah"):
        image_build.find_builder(tmp_path, "podman")


class Stub:
    """A builder that writes down what it is asked for."""

    def __init__(self) -> None:
        self.orders: list[image_build.Order] = []
        self.fails = False

    def has(self, reference: str) -> bool:
        """Never."""
        return False

    def build(self, order: image_build.Order, log: Path) -> None:
        """Note it down."""
        if self.fails:
            raise ImageError("building failed")
        self.orders.append(order)

    def save(self, reference: str, archive: Path) -> None:
        """A file that is no archive."""
        archive.write_text(reference)

    def tidy(self) -> None:
        """Nothing to do."""


@pytest.fixture
def stub(copy: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """The builder of every workshop."""
    made = Stub()
    monkeypatch.setattr(images, "ROOT", copy)
    monkeypatch.setattr(images, "find_builder", lambda *_: made)
    for name, value in (("BASE", "b.example/base:1"), ("TAG", "7"), ("REGISTRY", "r.example")):
        monkeypatch.setenv(name, value)
    return made


def test_an_archive_is_made_once(stub: Stub, copy: Path, tmp_path: Path) -> None:
    """A second run finds it; a change makes another, and the oldest is forgotten."""
    archives = tmp_path / "cache"
    archives.mkdir()
    workshop = images.Workshop(archives)
    first = workshop.make(THING)
    assert first.read_text() == "r.example/thing:7"
    assert stub.orders[0].arguments["BASE"] == "b.example/base:1"
    assert stub.orders[0].arguments["VERSION"] == "7"
    assert workshop.make(THING) == first
    assert len(stub.orders) == 1
    made = [first]
    for number in range(images.KEPT):
        (copy / "src" / "code.py").write_text(f"x = {number + 10}\n")
        made.append(workshop.make(THING))
    assert [path.exists() for path in made] == [False] + [True] * images.KEPT


def test_a_build_that_fails_leaves_no_archive(stub: Stub, tmp_path: Path) -> None:
    """The next run builds it, rather than take half of it for whole."""
    stub.fails = True
    workshop = images.Workshop(tmp_path)
    with pytest.raises(ImageError):
        workshop.make(THING)
    assert not workshop.archive(THING).exists()


def test_the_help_has_examples(root: Path) -> None:
    """The script explains itself."""
    script = str(root / "scripts" / "images.py")
    shown = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True).stdout
    assert "scripts/images.py archives gateway" in shown


def test_two_runs_take_turns(tmp_path: Path) -> None:
    """Who comes second waits until the first has built, and then finds it."""
    began, go_on, entered = threading.Event(), threading.Event(), []

    def first() -> None:
        with images.alone(tmp_path):
            began.set()
            go_on.wait(60)
            entered.append("first")

    def second() -> None:
        with images.alone(tmp_path):
            entered.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert began.wait(60)
    threads[1].start()
    deadline = time.monotonic() + 60
    go_on.set()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert entered == ["first", "second"]
