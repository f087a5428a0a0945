"""The ``speechpipe`` command as a process, against a scripted gateway."""

import asyncio
import http
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from peer import DEADLINE, Caller, final, gateway, partial, translated

from speechpipe_client.demo.clips import CHOICES
from speechpipe_common import wire

PROGRAM = str(Path(sys.executable).with_name("speechpipe"))


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    code: int
    out: str
    err: str


async def start(*arguments: object) -> asyncio.subprocess.Process:
    """Start the command."""
    return await asyncio.create_subprocess_exec(
        PROGRAM, *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def end(process: asyncio.subprocess.Process, seconds: float = DEADLINE) -> Ended:
    """Wait for its end."""
    async with asyncio.timeout(seconds):
        out, err = await process.communicate()
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def speechpipe(*arguments: object) -> Ended:
    """Run the command to its end."""
    return await end(await start(*arguments))


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Half a second of stereo FLAC at 8 kHz."""
    path = tmp_path / "talk.flac"
    soundfile.write(path, np.zeros((4000, 2), np.int16), 8000)
    return path


async def answer(caller: Caller) -> None:
    """Two finals, the second of which overtakes the translation of the first."""
    await caller.welcome()
    await caller.say(
        partial("0", "hel", 1),
        final("0", "hello", "1-0"),
        final("8000", "world", "2-0"),
        translated("8000", "mundo", is_final=True),
        translated("0", "hola", is_final=True),
    )
    await caller.finish()


async def test_a_lost_connection_and_its_return_are_said_on_stderr(talk: Path):
    """A person hears in a sentence that the connection is lost, and in another one that it is back; text is whole."""

    async def leave(caller: Caller) -> None:
        await caller.welcome()
        caller.vanish()

    async with gateway(leave, answer) as peer:
        ended = await speechpipe("transcribe", talk, "--url", peer.url)
    assert (ended.code, "".join(line for line in ended.out.splitlines() if "[es]" not in line)) == (0, "helloworld")
    lost, back = ended.err.splitlines()
    assert "the connection was lost (the connection broke (close 1006)); what is said meanwhile is kept" in lost
    assert "the connection is back after" in back


async def test_text_goes_to_stdout_alone_with_the_files_own_rate_and_channels(talk: Path):
    """Results come in the order of speech with translations below; the file is sent as it is; progress is elsewhere."""
    async with gateway(answer) as peer:
        ended = await speechpipe(
            "transcribe", talk, "--url", peer.url, "--source", "English", "--target", "spa", "--target", "es"
        )
    assert ended == Ended(0, "hello\n  [es] hola\nworld\n  [es] mundo\n", "")
    assert peer.callers[0].messages[0] == wire.SetLangs(source_language="en", target_languages=("es",))
    assert peer.callers[0].messages[1] == wire.Start(sample_rate=8000, channels=2, partials=False)
    assert len(peer.callers[0].audio) == 4000 * 2 * 2


async def test_subtitles_show_the_target_unless_the_source_is_asked_for(talk: Path):
    """SRT of a translated file holds the translation; ``--subtitles source`` what was said."""
    async with gateway(answer, answer) as peer:
        arguments = "transcribe", talk, "--url", peer.url, "--target", "es", "--format", "srt"
        translation = await speechpipe(*arguments)
        source = await speechpipe(*arguments, "--subtitles", "source")
    assert translation.out.splitlines()[2] == "hola"
    assert source.out.splitlines()[2] == "hello"


async def test_several_files_are_written_to_a_folder(talk: Path, tmp_path: Path):
    """With ``--output`` each file gets one of its own, and standard output stays empty."""
    other = talk.with_name("other.wav")
    soundfile.write(other, np.zeros(1600, np.int16), 16_000)
    folder = tmp_path / "out"
    async with gateway(answer, answer) as peer:
        ended = await speechpipe(
            "transcribe", talk, other, "--url", peer.url, "--format", "json", "--output", folder, "--pace", "realtime"
        )
    assert (ended.code, ended.out) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["other.json", "talk.json"]
    assert json.loads((folder / "talk.json").read_text())["text"] == "hello world"


async def test_a_missing_gateway_is_named_with_what_to_run(talk: Path):
    """Nobody at the address: exit code 3, the address, and the command that starts a pipeline."""
    async with gateway() as peer:
        url = peer.url
    ended = await speechpipe("transcribe", talk, "--url", url)
    assert (ended.code, ended.out) == (3, "")
    assert url in ended.err
    assert "speechpipe up -f examples/local.yaml" in ended.err


async def test_a_refused_key_has_its_own_exit_code_and_is_not_shown(talk: Path):
    """HTTP 401: exit code 4, and the key is nowhere in the output."""
    async with gateway(refusals=[(http.HTTPStatus.UNAUTHORIZED, {})]) as peer:
        ended = await speechpipe("transcribe", talk, "--url", peer.url, "--api-key", "sesame")
    assert ended.code == 4
    assert peer.headers == ["Bearer sesame"]
    assert "sesame" not in ended.out + ended.err


async def test_a_segment_that_failed_is_said_and_the_rest_is_there(talk: Path):
    """One segment's error: its neighbours are printed, the error goes to standard error, the exit code is 1."""

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.say(
            wire.Error(code="dead_letter", message="given up", segment_id="0"), final("8000", "world", "2-0")
        )
        await caller.finish()

    async with gateway(script) as peer:
        ended = await speechpipe("transcribe", talk, "--url", peer.url)
    assert (ended.code, ended.out) == (1, "world\n")
    assert "given up (dead_letter)" in ended.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing.wav",), "no such file"),
        (("TALK", "TALK", "--format", "srt"), "--output"),
        (("TALK", "--format", "vtt", "--target", "es", "--subtitles", "fr"), "not one of the targets (es)"),
        (("TEXT",), "not audio"),
        (("TALK", "--source", "spansh"), "unknown language 'spansh'"),
    ],
)
async def test_wrong_arguments_exit_with_2_before_anything_is_sent(
    arguments: tuple[str, ...], message: str, talk: Path, tmp_path: Path
):
    """Unreadable files and contradicting options are refused by name."""
    text = tmp_path / "notes.txt"
    text.write_text("not audio")
    named = [{"TALK": talk, "TEXT": text}.get(argument, argument) for argument in arguments]
    ended = await speechpipe("transcribe", *named)
    assert (ended.code, ended.out) == (2, "")
    assert message in " ".join(ended.err.split())


async def test_interrupt_ends_cleanly(talk: Path):
    """Ctrl-C: exit code 130, no traceback, and the gateway sees a proper close."""
    stopped = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear(wire.Stop)
        stopped.set()
        await caller.socket.wait_closed()

    async with gateway(script) as peer:
        process = await start("transcribe", talk, "--url", peer.url)
        async with asyncio.timeout(DEADLINE):
            await stopped.wait()
        process.send_signal(signal.SIGINT)
        ended = await end(process)
        assert peer.callers[0].socket.close_code == 1000
    assert ended.code == 130
    assert "Traceback" not in ended.err


async def test_help_shows_examples_and_exit_codes():
    """``--help`` of a streaming command ends with commands to copy."""
    for command in ("transcribe", "listen"):
        ended = await speechpipe(command, "--help")
        assert ended.code == 0
        assert f"speechpipe {command} " in ended.out
        assert "Exit codes" in ended.out


async def test_listen_without_portaudio_says_what_to_install():
    """A machine without the PortAudio library or a device gets one clear line and exit code 2."""
    ended = await speechpipe("listen", "--device", "no such microphone")
    assert ended.code == 2
    assert "Traceback" not in ended.err
    assert "libportaudio2" in ended.err or "no such microphone" in ended.err


async def test_the_demo_fails_when_the_text_is_wrong():
    """A gateway that answers every clip with the same wrong sentence: exit code 1, and each clip is named."""

    async def lie(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(3200)
        await caller.say(final("0", "this is not what was said", "1-0", end=99.0))
        await caller.finish()

    async with gateway(*[lie] * len(CHOICES)) as peer:
        ended = await end(await start("demo", "--url", peer.url), 120)
    assert ended.code == 1
    assert ended.out.count("error rate") == len(CHOICES)
    assert f"{len(CHOICES)} of {len(CHOICES)} clips failed" in ended.out


async def test_verify_fails_when_the_text_is_wrong():
    """A gateway that answers with a wrong sentence: exit code 1; what was heard and why it is wrong is said."""

    async def probed(caller: Caller) -> None:
        await caller.welcome()
        await caller.finish()

    async def lie(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(3200)
        await caller.say(final("0", "this is not what was said", "1-0", end=99.0))
        await caller.finish()

    async with gateway(probed, lie) as peer:
        ended = await end(await start("verify", "--url", peer.url), 120)
    assert ended.code == 1
    assert "heard 'this is not what was said'" in ended.out
    assert "FAILED en/quick_brown_fox: error rate" in ended.out


async def test_verify_says_which_clips_there_are():
    """An unknown clip is refused with the names of those there are; nothing is played."""
    ended = await speechpipe("verify", "--clip", "xx/nothing")
    assert ended.code == 2
    assert "en/quick_brown_fox" in ended.err
