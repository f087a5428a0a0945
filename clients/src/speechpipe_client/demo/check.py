"""One known clip through a gateway that is there already, and whether what comes back is what was said."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from speechpipe_client.connecting import connect
from speechpipe_client.demo.clips import Clip
from speechpipe_client.demo.play import Played, play
from speechpipe_client.demo.verdict import Expected, Verdict, judge
from speechpipe_client.errors import GatewayFull, GatewayUnreachable
from speechpipe_client.options import SessionOptions

RETRY_SECONDS: Final = 2.0

Say = Callable[[str], None]


async def check_all(clips: Sequence[Clip], url: str, api_key: str | None, seconds: float, say: Say) -> bool:
    """Check the clips one after another, and say of each what was heard; whether all were right.

    Raises:
        SpeechpipeError: as ``check``.
    """
    right = True
    for clip in clips:
        played, verdict = await check(clip, url, api_key, seconds, say)
        late = "" if played.latency is None else f", {played.latency:.2f} s after the end of speech"
        say(f"{clip.name}: heard {played.heard.text!r}, error rate {verdict.error_rate:.2f}{late}")
        if clip.target:
            say(f"{clip.name}: [{clip.target}] {played.heard.translation!r}")
        for fault in verdict.faults:
            say(f"FAILED {clip.name}: {fault}")
        right = right and not verdict.faults
    return right


async def check(clip: Clip, url: str, api_key: str | None, seconds: float, say: Say) -> tuple[Played, Verdict]:
    """Wait until the gateway takes a session, then play the clip; all of it within ``seconds``.

    Raises:
        GatewayUnreachable: no gateway answered in time.
        GatewayFull: it was full all the time.
        AuthenticationError: it refuses the key.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while True:
        try:
            async with connect(url, SessionOptions(sample_rate=clip.sample_rate), api_key=api_key) as session:
                await session.stop()
            break
        except (GatewayUnreachable, GatewayFull) as error:
            if clock() + RETRY_SECONDS > deadline:
                raise
            say(f"waiting for {url}: {error}")
        await asyncio.sleep(RETRY_SECONDS)
    say(f"playing {clip.name} to {url}")
    played = await play(clip, url, api_key, lambda _clip, _event: None, max(1.0, deadline - clock()))
    expected = Expected(clip.name, clip.language, clip.transcript, clip.bound, clip.target)
    return played, judge(expected, played.heard)
