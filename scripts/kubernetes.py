"""Finds the commands that the tests run (Kubernetes', Helm, kind), or builds them with Go, and prints their folder.

1. KUBEBUILDER_ASSETS, where set, must hold every command of Kubernetes that is asked for.
2. The cache, $XDG_CACHE_HOME/speechpipe/kubernetes-VERSION-KEY (~/.cache unless set), whose files are checked by their
   SHA-256; helm and others have folders of their own. The key is a hash over all that the build depends on, so a change
   to it is another folder.
3. Go builds what is missing, from the pinned modules in e2e/kubernetes: 6 to 15 minutes on two cores the first time,
   seconds when Go's own cache is warm.

Commands of several groups are in several folders: one line for each.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import go_build
from go_recipes import COMMANDS, KUBERNETES, MODULES, Recipe, RecipeError, by_group

ASSETS = "KUBEBUILDER_ASSETS"
MANIFEST = "SHA256SUMS.json"

EXAMPLES = """
examples:
  scripts/kubernetes.py                        find or build etcd, kube-apiserver and the controllers
  scripts/kubernetes.py --find etcd            print the folder, or fail at once: build nothing
  scripts/kubernetes.py kubelet kubeadm        find or build these two
  PATH="$(scripts/kubernetes.py helm):$PATH"   Helm of the pinned version
  KUBEBUILDER_ASSETS=DIR scripts/kubernetes.py use commands that are there already, as envtest does
"""


class KubernetesError(RuntimeError):
    """The commands can't be had; the message says what to do."""


DEFAULT = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def whole(folder: Path, names: Sequence[str] = ()) -> dict[str, str]:
    """The commands of a cache folder that are what was built, with their digests; ``names`` alone, where given."""
    try:
        manifest: dict[str, str] = json.loads((folder / MANIFEST).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {
        name: digest
        for name, digest in manifest.items()
        if (not names or name in names) and (folder / name).is_file() and digest_of(folder / name) == digest
    }


def given(commands: Sequence[str]) -> Path | None:
    """The folder of KUBEBUILDER_ASSETS, None where that is not set.

    Raises:
        KubernetesError: it lacks some of the commands.
    """
    folder = os.environ.get(ASSETS)
    if not folder:
        return None
    missing = [name for name in commands if not os.access(Path(folder) / name, os.X_OK)]
    if missing:
        raise KubernetesError(
            f"{ASSETS}={folder} lacks {', '.join(missing)}: put them there, or unset {ASSETS} to have them built"
        )
    return Path(folder)


def given_for(recipe: Recipe, commands: Sequence[str]) -> Path | None:
    """As `given`: only Kubernetes' own commands are ever there."""
    return given(commands) if recipe.group is KUBERNETES else None


def find(recipe: Recipe, commands: Sequence[str]) -> Path:
    """The folder that holds the commands, without building any.

    Raises:
        KubernetesError: some are missing or damaged.
    """
    folder = given_for(recipe, commands)
    if folder:
        return folder
    good = whole(recipe.folder, commands)
    missing = [name for name in commands if name not in good]
    if missing:
        raise KubernetesError(
            f"{', '.join(missing)} of {recipe.title} not built yet or damaged ({recipe.folder}): "
            f"{ways_out(recipe, commands)}"
        )
    return recipe.folder


def ways_out(recipe: Recipe, commands: Sequence[str]) -> str:
    """What a person can do about missing commands."""
    if recipe.group is not KUBERNETES:
        return f"run `scripts/kubernetes.py {' '.join(commands)}`"
    return f"run `make kubernetes`, or set {ASSETS} to a folder that holds {', '.join(commands)}"


def ensure(recipe: Recipe, commands: Sequence[str]) -> Path:
    """The folder that holds the commands; what is missing is built first, by one process at a time.

    Raises:
        KubernetesError: no Go that is new enough, or the build failed.
    """
    folder = given_for(recipe, commands)
    if folder:
        return folder
    if whole(recipe.folder, commands).keys() == set(commands):
        return recipe.folder
    try:
        go_build.check(recipe.go)
    except go_build.GoError as error:
        raise KubernetesError(f"building {recipe.title}: {error}; then {ways_out(recipe, commands)}") from error
    recipe.folder.mkdir(parents=True, exist_ok=True)
    with locked(recipe.folder):
        good = whole(recipe.folder)  # another process may have built them while this one waited
        build(recipe, [name for name in commands if name not in good], good)
    return recipe.folder


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock file; the kernel lets go of it when the process ends, however it ends."""
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            go_build.say(f"another process builds in {folder}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(recipe: Recipe, commands: Sequence[str], good: Mapping[str, str]) -> None:
    """Build commands beside the cache folder and move each into it, then say so in the manifest.

    A file counts only once the manifest names it, so an interrupted build leaves nothing that is taken for whole. Call
    it with the folder locked.
    """
    beside = f".building-{recipe.folder.name}-"
    for left in recipe.folder.parent.glob(f"{beside}*"):  # by a build that was killed
        shutil.rmtree(left)
    digests, group = dict(good), recipe.group
    for module in group.modules:
        names = [name for name in commands if group.commands[name].module == module]
        if not names:
            continue
        with tempfile.TemporaryDirectory(prefix=beside, dir=recipe.folder.parent) as place:
            go_build.say(f"building {', '.join(names)} ({recipe.title}); 1 to 15 minutes on two cores the first time")
            packages = [group.commands[name].package for name in names]
            go_build.build(MODULES / module, packages, group.flags(recipe.version), Path(place))
            for name in names:
                digests[name] = digest_of(Path(place) / name)
                (Path(place) / name).replace(recipe.folder / name)
            (Path(place) / MANIFEST).write_text(json.dumps(digests, indent=2, sort_keys=True) + "\n")
            (Path(place) / MANIFEST).replace(recipe.folder / MANIFEST)


def main() -> int:
    """Read the command line and print the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--find", action="store_true", help="build nothing; fail where a command is missing")
    parser.add_argument(
        "commands", nargs="*", metavar="COMMAND", help=f"of {', '.join(COMMANDS)} ({', '.join(DEFAULT)})"
    )
    asked = parser.parse_args()
    unknown = sorted(set(asked.commands) - set(COMMANDS))
    if unknown:
        parser.error(f"no such command: {', '.join(unknown)}; there are {', '.join(COMMANDS)}")
    commands = asked.commands or DEFAULT
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the compiler too, as Ctrl-C does
    try:
        for group, names in by_group(commands):
            recipe = Recipe.read(group)
            print(find(recipe, names) if asked.find else ensure(recipe, names), flush=True)
    except (KubernetesError, RecipeError, go_build.GoError, OSError) as error:
        go_build.say(f"kubernetes: {error}")
        return 1
    except KeyboardInterrupt:
        go_build.say("kubernetes: interrupted; what was built whole is kept")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
