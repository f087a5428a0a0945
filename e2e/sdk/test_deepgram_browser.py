"""What browsers' code for Deepgram does: a ``MediaRecorder`` of a microphone, straight into a WebSocket."""

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from pipeline import PATIENCE, Pipeline
from playwright.async_api import async_playwright
from speech import Clip

from speechpipe_client.demo.scoring import error_rate

CHROMIUM = "/usr/bin/chromium"
QUIET_SECONDS = 2.5
"""Before the first word and behind the last: the browser plays from when the microphone is opened."""

RECORD = """async ([address, key]) => {
    const socket = new WebSocket(address, ["token", key]);
    const messages = [];
    const closed = new Promise((resolve) => { socket.onclose = (event) => resolve(event.code); });
    await new Promise((resolve) => { socket.onopen = resolve; });
    const heard = new Promise((resolve) => {
        socket.onmessage = (event) => {
            const message = JSON.parse(event.data);
            messages.push(message);
            if (message.speech_final && message.channel.alternatives[0].transcript) resolve();
        };
    });
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const recorder = new MediaRecorder(stream, { mimeType: "audio/webm;codecs=opus" });
    const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
    recorder.ondataavailable = (event) => { if (event.data.size) socket.send(event.data); };
    recorder.start(250);
    await Promise.race([heard, closed]);
    recorder.stop();
    await stopped;
    socket.send(JSON.stringify({ type: "CloseStream" }));
    return { code: await closed, protocol: socket.protocol, messages };
}"""


def microphone(clip: Clip, path: Path) -> Path:
    """A file that a browser takes for its microphone."""
    quiet = np.zeros(round(QUIET_SECONDS * clip.rate), np.int16)
    soundfile.write(path, np.concatenate([quiet, clip.samples, quiet]), clip.rate, subtype="PCM_16")
    return path


async def recorded(pipeline: Pipeline, played: Path, query: str) -> dict[str, Any]:
    """What a page hears of its microphone, until the first sentence is over."""
    flags = (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={played}%noloop",
    )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = await browser.new_page()
        page.set_default_timeout(PATIENCE * 1_000)
        await page.goto(pipeline.http)
        result: dict[str, Any] = await page.evaluate(RECORD, [f"{pipeline.ws}/v1/listen?{query}", pipeline.key])
        await browser.close()
        return result


async def test_a_browsers_recorder_is_heard(pipeline: Pipeline, clips: dict[str, Clip], tmp_path: Path):
    """Chromium's own WebM, with no word about its encoding; the key goes in as a subprotocol and does not come back."""
    clip = clips["quick_brown_fox"]
    heard = await recorded(pipeline, microphone(clip, tmp_path / "microphone.wav"), "model=nova-3&language=en")
    finals = [m["channel"]["alternatives"][0]["transcript"] for m in heard["messages"] if m["type"] == "Results"]
    assert (heard["code"], heard["protocol"]) == (1000, "token")
    assert error_rate(clip.text, " ".join(finals), "en") <= 0.15, finals
    assert heard["messages"][-1]["type"] == "Metadata"
    assert heard["messages"][-1]["duration"] > QUIET_SECONDS
