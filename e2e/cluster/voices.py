"""What callers say in the cluster: clips as ConfigMaps, since nothing else gets into a pod without a registry."""

import base64
import io
import json
import os
import wave
from pathlib import Path

from kubectl import ROOT, Json, apply
from speech import Clip, clips, recording

POD = Path(__file__).parent / "pod"
LOCAL = Path(__file__).parents[1] / "local"
PROGRAMS = (POD / "talk.py", LOCAL / "callers.py", LOCAL / "speech.py")
"""What runs in pods of the client's image."""
RECORDED = Path(os.environ.get("SPEECH_DIR") or ROOT.parent / "shared" / "speech")
PROGRAM_MAP = "e2e-programs"
CLIP_FOLDER = "/clips"
PROGRAM_FOLDER = "/programs"

_delivered: set[tuple[str, str]] = set()
"""Namespaces and maps of clips in them."""


def usual_clips() -> list[Clip]:
    """Short clips of one sample rate, of people where recordings are there."""
    by_rate = clips()
    return max(by_rate.values(), key=len)


def every_clip() -> list[Clip]:
    """All recordings of people, where they are there, else the packaged clips; of several sample rates."""
    manifest = RECORDED / "manifest.json"
    if not manifest.is_file():
        return [clip for library in clips().values() for clip in library]
    return [recording(RECORDED / entry["file"], entry["text"]) for entry in json.loads(manifest.read_text())]


def deliver(namespace: str, *library: Clip) -> None:
    """Put programs and clips into a namespace."""
    programs = {path.name: path.read_text() for path in PROGRAMS}
    new = [clip for clip in library if (namespace, map_name(clip)) not in _delivered]
    apply(_config_map(PROGRAM_MAP, namespace, data=programs), *(clip_map(clip, namespace) for clip in new))
    _delivered.update((namespace, map_name(clip)) for clip in new)


def clip_map(clip: Clip, namespace: str) -> Json:
    """A clip as a ConfigMap: a WAV file and its words. A ConfigMap holds 1 MiB, so each has its own."""
    files = {f"{clip.name}.wav": base64.b64encode(wav(clip)).decode()}
    return _config_map(map_name(clip), namespace, data={f"{clip.name}.txt": clip.text}, binary=files)


def map_name(clip: Clip) -> str:
    """Name of the clip's ConfigMap."""
    return f"e2e-clip-{clip.name.lower().replace('_', '-')}"


def wav(clip: Clip) -> bytes:
    """The clip as a WAV file, 16 bits, mono."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(clip.rate)
        writer.writeframes(clip.samples.astype("<i2").tobytes())
    return file.getvalue()


def mounts(*library: Clip) -> tuple[list[Json], list[Json]]:
    """Volumes and mounts that give a pod the programs and these clips."""
    maps = [{"configMap": {"name": map_name(clip)}} for clip in library]
    volumes: list[Json] = [{"name": "programs", "configMap": {"name": PROGRAM_MAP}}]
    places = [{"name": "programs", "mountPath": PROGRAM_FOLDER, "readOnly": True}]
    if maps:
        volumes.append({"name": "clips", "projected": {"sources": maps}})
        places.append({"name": "clips", "mountPath": CLIP_FOLDER, "readOnly": True})
    return volumes, places


def _config_map(name: str, namespace: str, *, data: dict[str, str], binary: dict[str, str] | None = None) -> Json:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data, "binaryData": binary or {}}
