"""The same pipeline on this machine, by ``speechpipe up``: what the cluster's captions are compared with."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hearing import Outcome, read
from kubectl import Json
from load import Speaker
from progress import until
from speech import Clip
from voices import PROGRAMS, wav

READY_SECONDS = 300.0
TALK_SECONDS = 600.0
STOP_SECONDS = 60.0


@contextmanager
def up(document: Json, model: str, folder: Path) -> Iterator[str]:
    """Run a pipeline inside the block; the gateway's address.

    Args:
        document: as for the cluster; what only a cluster has is taken out.
        model: name of the Whisper model, from this machine's cache.
        folder: for its data and log.
    """
    spec = {key: value for key, value in document["spec"].items() if key not in ("images", "redis")}
    spec["redis"] = {"managed": {"memory": "64Mi"}}
    spec["stt"] = {key: value for key, value in spec["stt"].items() if key != "modelCache"} | {"model": model}
    folder.mkdir(parents=True, exist_ok=True)
    file, ready = folder / "pipeline.json", folder / "ready.json"
    file.write_text(json.dumps(document | {"spec": spec}))
    command = (str(Path(sys.executable).with_name("speechpipe")), "up", "-f", str(file), "--any-port")
    options = ("--data-dir", str(folder / "data"), "--ready-file", str(ready))
    with (folder / "up.log").open("w") as log:
        process = subprocess.Popen((*command, *options), stdout=log, stderr=log)
    try:
        until(lambda: ready.exists() or process.poll() is not None, "speechpipe up", READY_SECONDS)
        assert process.poll() is None, (folder / "up.log").read_text()[-2000:]
        yield json.loads(ready.read_text())["gateway"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def talk(url: str, who: Sequence[Speaker], folder: Path) -> dict[str, Outcome]:
    """Let callers say their clips once, by the program that pods run; what they got."""
    place = folder / "clips"
    place.mkdir(parents=True, exist_ok=True)
    for clip in (clip for one in who for clip in one.clips):
        write(clip, place)
    task = {"url": url, "clips": str(place), "callers": [one.task() for one in who], "once": True}
    path = ":".join(str(program.parent) for program in PROGRAMS)
    command = (sys.executable, str(PROGRAMS[0]), json.dumps(task))
    done = subprocess.run(
        ("env", f"PYTHONPATH={path}", *command), capture_output=True, text=True, timeout=TALK_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return read(done.stdout.splitlines())


def write(clip: Clip, folder: Path) -> None:
    """A clip as the files that ``talk.py`` reads."""
    (folder / f"{clip.name}.wav").write_bytes(wav(clip))
    (folder / f"{clip.name}.txt").write_text(clip.text)
