"""What must never be in a log, whatever its level."""

import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wire_raw import knocking
from wire_world import ANSWER, GatewayProcess, call, working

SPOKEN_HINT = "Mithrandir"


async def test_no_secret_audio_or_text_is_logged(
    valkey: str, tmp_path: Path, clips: dict[str, NDArray[np.int16]]
) -> None:
    """At debug level, through a session, a resume, refusals and faults: no text, key, token, hint or sample."""
    speech = next(iter(clips.values()))
    secrets = {"text": ANSWER, "hint": SPOKEN_HINT, "wrong key": "sp_wrong-key", "wrong token": "sp_wrong-token"}
    with GatewayProcess(valkey, tmp_path, LOG_LEVEL="debug") as gateway:
        secrets["key"] = gateway.key
        async with working(gateway):
            async with call(gateway) as caller:
                ready = await caller.start(prompt=SPOKEN_HINT, hotwords=SPOKEN_HINT)
                secrets["token"] = ready["token"]
                await caller.send_audio(speech, 0.1)
                await caller.say("flush")
                assert (await caller.hears("final"))["text"] == ANSWER
                caller.vanish()
            async with call(gateway) as again:
                await again.say("resume", session_id=ready["session_id"], token=ready["token"])
                resumed = await again.hears("ready")
                secrets["new token"] = resumed["token"]
                await again.send_audio(np.concatenate([speech, speech])[resumed["offset"] :])
                await again.socket.send(bytes(3))
                await again.closed()
            async with call(gateway) as thief:
                await thief.say("resume", session_id=ready["session_id"], token="sp_wrong-token")
                await thief.closed()
            async with call(gateway, None) as stranger:
                await stranger.say("auth", token="sp_wrong-key")
                await stranger.closed()
            offered = "speechpipe.key." + base64.urlsafe_b64encode(b"sp_wrong-key").decode().rstrip("=")
            secrets["offered key"] = offered
            async with knocking(gateway, "sp_wrong-key"), knocking(gateway, None, Sec_WebSocket_Protocol=offered):
                pass
            async with knocking(gateway, None) as raw:
                raw.writer.write(b"\xff" * 64)
                await raw.closed()
        log = gateway.log()
    assert '"level": "debug"' in log
    secrets["audio"] = base64.b64encode(speech[8_000:8_030].tobytes()).decode()
    secrets["audio in hex"] = speech[8_000:8_030].tobytes().hex()
    assert {name for name, secret in secrets.items() if secret in log} == set()
