"""The demo from end to end: pipeline, clips, captions, table, exit code."""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack

from rich.console import Console

from speechpipe_client.demo.clips import CHOICES, Clip, load
from speechpipe_client.demo.pairs import working_pairs
from speechpipe_client.demo.pipeline import local_gateway, log_path
from speechpipe_client.demo.play import Played, play
from speechpipe_client.demo.verdict import Expected, Verdict, judge
from speechpipe_client.demo.view import View, summary
from speechpipe_common.downloads import ASSETS, DownloadError, fetch
from speechpipe_operator.local import LocalError

SESSIONS = 2
"""Clips played at a time: sessions side by side, and two cores still have time for partials."""


def main(url: str | None = None, api_key: str | None = None) -> None:
    """Run the demo and exit: 0 only if every clip came out right.

    Args:
        url: gateway to use; None starts a pipeline on this machine and stops it afterwards.
        api_key: key for that gateway.

    Raises:
        SystemExit: always.
    """
    try:
        passed = asyncio.run(_demo(Console(), url, api_key or os.environ.get("SPEECHPIPE_API_KEY")))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except (DownloadError, LocalError) as error:
        sys.stderr.write(f"speechpipe: {error}\nThe pipeline's log: {log_path()}\n")
        raise SystemExit(1) from error
    raise SystemExit(0 if passed else 1)


async def _demo(console: Console, url: str | None, api_key: str | None) -> bool:
    begun = time.monotonic()
    folder = await asyncio.to_thread(fetch, ASSETS["audioeval"])
    wanted = {(choice.language, choice.wish) for choice in CHOICES if choice.wish is not None}
    pairs = await working_pairs(wanted)
    clips = load(folder, pairs)
    for source, target in sorted(wanted - pairs):
        console.print(f"No translation {source} -> {target}: Apertium cannot do it here; see `speechpipe doctor`.")
    async with AsyncExitStack() as stack:
        if url is None:
            console.print("Starting Valkey, gateway, speech and translation workers ...")
            url = await stack.enter_async_context(local_gateway(translation=any(clip.target for clip in clips)))
        console.print(f"Ready after {time.monotonic() - begun:.0f} s. Playing {len(clips)} clips to {url}")
        with View(console) as view:
            played = await _play_all(clips, url, api_key, view)
    results = [(one, judge(_expected(one.clip), one.heard)) for one in played]
    return _report(console, results, time.monotonic() - begun)


async def _play_all(clips: list[Clip], url: str, api_key: str | None, view: View) -> list[Played]:
    slots = asyncio.Semaphore(SESSIONS)

    async def one(clip: Clip) -> Played:
        async with slots:
            return await play(clip, url, api_key, view.show)

    return await asyncio.gather(*(one(clip) for clip in clips))


def _expected(clip: Clip) -> Expected:
    return Expected(clip.name, clip.language, clip.transcript, clip.bound, clip.target)


def _report(console: Console, results: list[tuple[Played, Verdict]], seconds: float) -> bool:
    console.print(summary(results))
    for played, verdict in results:
        for fault in verdict.faults:
            console.print(f"FAILED {played.clip.name}: {fault}", style="red", markup=False, highlight=False)
    failed = sum(1 for _, verdict in results if verdict.faults)
    languages = len({played.clip.language for played, _ in results})
    outcome = f"{failed} of {len(results)} clips failed" if failed else f"all {len(results)} clips passed"
    console.print(f"{outcome}, {languages} languages, {seconds:.0f} s")
    if failed:
        console.print(f"The pipeline's log: {log_path()}", soft_wrap=True)
    return failed == 0
