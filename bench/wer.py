"""Word error rate of the whole pipeline against faster-whisper's ``transcribe`` on the whole files, same model.

    .venv/bin/python bench/wer.py --speech DIR

plays every clip at real-time pace through Valkey, gateway (detection, cut) and STT worker, then decodes the same files
in this process. ``DIR`` holds clips and a ``manifest.json`` (a list of ``file`` and ``text``); the English clips of the
package pytest-audioeval are added. Exits 1 when the pipeline is more than two points worse, or cuts a first or last
word off that the whole file has.
"""

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from faster_whisper import WhisperModel
from results import RESULTS, Figure, Result, Table, publish
from shared import COMPUTE_TYPES, Device, audioeval_folder, clip, corpus_rate, pipeline, say

from speechpipe_client.demo.clips import Clip
from speechpipe_client.demo.play import Played, play
from speechpipe_client.demo.scoring import error_rate, normalise, similar
from speechpipe_common.downloads import ASSETS, fetch

MARGIN = 2.0
"""Points: errors in a hundred words."""
SESSIONS = 2
EDGE = 2


@dataclass(frozen=True)
class Recording:
    """A file, read as a clip too."""

    path: Path
    clip: Clip


def recordings(speech: Path) -> list[Recording]:
    """The clips of the manifest, then the English ones of pytest-audioeval."""
    listed = [(speech / entry["file"], entry["text"]) for entry in json.loads((speech / "manifest.json").read_text())]
    packaged = [(path, path.with_suffix(".txt").read_text()) for path in sorted(audioeval_folder().glob("en/*.wav"))]
    return [Recording(path, clip(path, text.strip())) for path, text in (*listed, *packaged)]


async def through_pipeline(clips: list[Clip], log: Path, device: Device) -> list[Played]:
    """Play the clips, two at a time, at their own pace."""
    slots = asyncio.Semaphore(SESSIONS)
    async with pipeline(log, device=device) as running:

        async def one(each: Clip) -> Played:
            async with slots:
                return await play(each, running.gateway_url, None, lambda _clip, _event: None)

        return await asyncio.gather(*map(one, clips))


def whole_files(found: list[Recording], device: Device) -> list[str]:
    """``transcribe`` with the settings of the worker: language given, beam 5, nothing carried over."""
    model = WhisperModel(str(fetch(ASSETS["whisper-base"])), device=device, compute_type=COMPUTE_TYPES[device])
    texts = []
    for recording in found:
        segments, _ = model.transcribe(
            str(recording.path), language="en", beam_size=5, condition_on_previous_text=False
        )
        texts.append(" ".join(segment.text.strip() for segment in segments))
    return texts


def cut_words(reference: str, heard: str) -> list[str]:
    """The first and last word of ``reference``, each if it is not at that end of ``heard``."""
    said, got = normalise(reference, "en"), normalise(heard, "en")
    edges = ((said[0], got[:EDGE]), (said[-1], got[-EDGE:]))
    return [word for word, near in edges if not any(similar(word, other) for other in near)]


def report(found: list[Recording], played: list[Played], peer: list[str], device: Device) -> Result:
    """Print both, clip by clip, and sum up."""
    faults = 0
    say(f"{'clip':<18} {'pipeline':>8} {'whole':>6} {'final after':>11}  edges")
    for recording, one, whole in zip(found, played, peer, strict=True):
        text = recording.clip.transcript
        cut, peer_cut = cut_words(text, one.heard.text), cut_words(text, whole)
        late = "-" if one.latency is None else f"{one.latency:.2f} s"
        ours, theirs = error_rate(text, one.heard.text, "en"), error_rate(text, whole, "en")
        edges = f"cut: {', '.join(cut)}" if cut else "ok"
        say(f"{recording.clip.name:<18} {ours:>8.3f} {theirs:>6.3f} {late:>11}  {edges}")
        if one.heard.text != whole:
            say(f"    pipeline: {one.heard.text}\n    whole:    {whole}")
        for problem in one.heard.problems:
            say(f"    problem:  {problem}")
        faults += len(one.heard.problems) + len(set(cut) - set(peer_cut))
    texts = [recording.clip.transcript for recording in found]
    ours = corpus_rate(texts, [one.heard.text for one in played])
    theirs = corpus_rate(texts, peer)
    say(f"{len(found)} clips: pipeline {ours:.4f}, whole files {theirs:.4f}, {100 * (ours - theirs):+.2f} points")
    rows = [["through the pipeline", f"{ours:.4f}"], ["`transcribe` on the whole file", f"{theirs:.4f}"]]
    return Result(
        "wer",
        "wer.py --speech DIR",
        device,
        figures=[
            Figure(
                "more errors in a hundred words than `transcribe` on the whole file", 100 * (ours - theirs), bar=MARGIN
            ),
            Figure("words cut off at the ends of clips, and errors told", faults, bar=0),
        ],
        tables=[Table([f"{len(found)} English clips, base", "WER"], rows)],
    )


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="WER of the pipeline against whole-file decoding.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--log", type=Path, default=RESULTS / "wer.log", help="file for the pipeline's log")
    options = parser.parse_args()
    found = recordings(options.speech)
    played = asyncio.run(through_pipeline([recording.clip for recording in found], options.log, options.device))
    return publish(report(found, played, whole_files(found, options.device), options.device))


if __name__ == "__main__":
    sys.exit(main())
