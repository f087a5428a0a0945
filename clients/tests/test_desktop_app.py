"""The desktop app on a screen of its own, against a scripted gateway that speaks the real protocol."""

import asyncio
import http
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from desktop_world import SUBTITLES, App, Field, Screen, a_field, a_screen, an_app, sound
from peer import Caller, final, gateway, partial, translated

from speechpipe_client.desktop import sentences
from speechpipe_common import wire
from speechpipe_common.testing import eventually

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "He said: \"It's 50% of {all}, [nearly]; isn't it?\"",
    "Él niño señor — “¿quién?” — naïve façade, Łódź.",
    "E-mail me at a_b+c@example.org/~x & wait...",
    "Straße, ÀÉÎ, €5, x² ≠ y.",
)


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    """One screen for all tests of this file."""
    with a_screen() as made:
        yield made


def started(segment: str) -> wire.SpeechStarted:
    """An onset."""
    return wire.SpeechStarted(segment_id=segment, offset=int(segment))


def revised(segment: str, committed: str, tail: str, rev: int) -> wire.Realtime:
    """A partial whose tail will change."""
    return wire.Realtime(
        segment_id=segment,
        rev=rev,
        text=committed + tail,
        committed=committed,
        tail=tail,
        language="en",
        processing_time=0.1,
        cursor="0-0",
    )


async def test_fifty_sentences_arrive_exactly_as_their_finals_say(screen: Screen, tmp_path: Path):
    """Partials are revised all the time, and finals hold what no key types: the field has the finals, nothing else."""
    said = [f"{number}. {SENTENCES[number % len(SENTENCES)]}" for number in range(50)]
    focused = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await focused.wait()
        for number, text in enumerate(said):
            segment = str(number * 1000)
            words = text.split()
            await caller.say(started(segment), partial(segment, "Mumble bumble", 1))
            await caller.say(revised(segment, " ".join(words[:2]), " something else", 2))
            await caller.say(final(segment, text, f"{number + 1}-0"))
        await caller.finish()

    path, _ = sound(tmp_path, 60)
    async with (
        gateway(script) as peer,
        a_field(screen, tmp_path) as field,
        an_app(screen, tmp_path, "--url", peer.url, "--input", path, "--start") as app,
    ):
        await app.says("listening")
        await field.focus()
        focused.set()
        await field.holds(" ".join(said))
        assert await app.quit() == 130


async def speak(caller: Caller, number: int) -> None:
    """A sentence from its onset to its final."""
    segment = str(number * 1000)
    await caller.say(started(segment), partial(segment, "so", 1), final(segment, f"Sentence {number}.", f"{number}-0"))


@pytest.mark.parametrize("forgotten", [False, True], ids=["resumed", "forgotten"])
async def test_no_word_is_lost_when_the_server_is_restarted(screen: Screen, tmp_path: Path, forgotten: bool):
    """In the middle of a sentence the server goes; whether it knows the session afterwards or not, all words come once.

    A server that has forgotten the session gets a new one, with all audio behind the last final (which ends at 1 s).
    """
    path, pcm = sound(tmp_path, 60)
    focused, acknowledged, captioned = asyncio.Event(), 4_000, 8_000

    async def before(caller: Caller) -> None:
        await caller.welcome("t1")
        await focused.wait()
        await caller.hear_audio(16_000)
        await speak(caller, 1)
        await caller.say(wire.AudioAck(offset=acknowledged, cursor="1-1"), started("9000"), partial("9000", "Sent", 1))
        await caller.socket.close(1012)

    async def refuse(caller: Caller) -> None:
        await caller.hear(wire.Resume)
        text = "there is no such session"
        await caller.say(wire.Error(code="resume_denied", message=text, close=1008))
        await caller.socket.close(1008)

    async def after(caller: Caller) -> None:
        await caller.welcome("t2", 0 if forgotten else acknowledged)
        await caller.hear_audio(8_000)
        await speak(caller, 9)
        await caller.finish()

    scripts = (before, refuse, after) if forgotten else (before, after)
    async with (
        gateway(*scripts) as peer,
        a_field(screen, tmp_path) as field,
        an_app(screen, tmp_path, "--url", peer.url, "--input", path, "--start") as app,
    ):
        await app.says("listening")
        await field.focus()
        focused.set()
        await field.holds("Sentence 1. Sentence 9.")
        for sentence in (sentences.LOST, sentences.BACK):
            assert sum(sentence in line for line in app.said) == 1
    begin = 2 * (captioned if forgotten else acknowledged)
    assert pcm[begin:].startswith(bytes(peer.callers[-1].audio))


async def test_holding_keys_dictates_and_typing_waits_until_they_are_let_go(screen: Screen, tmp_path: Path):
    """Pressing the keys opens a session, letting go ends the speech, and only then is typed what came meanwhile."""
    heard = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await speak(caller, 1)
        heard.set()
        await caller.hear(wire.Stop)
        await speak(caller, 2)
        await caller.socket.close(1000)

    path, _ = sound(tmp_path, 60)
    async with (
        gateway(script, script) as peer,
        a_field(screen, tmp_path) as field,
        an_app(screen, tmp_path, "--url", peer.url, "--input", path) as app,
    ):
        await eventually(lambda: screen.window("Speechpipe") is not None, "the app's window, which wants the focus")
        await field.focus()
        await hold_until(screen, app, heard)
        assert field.text == ""
        await field.holds("Sentence 1. Sentence 2.")
        await app.says("idle")
        with screen.holding("Control_L", "Alt_L", "d"):
            pass
        await app.says("listening", 2)
        await field.holds("Sentence 1. Sentence 2. Sentence 1.")
        with screen.holding("Control_L", "Alt_L", "d"):
            pass
        await field.holds("Sentence 1. Sentence 2. Sentence 1. Sentence 2.")
        await app.says("idle", 2)


async def hold_until(screen: Screen, app: App, heard: asyncio.Event) -> None:
    """Hold the keys until the server has spoken; press again where nobody listened to keys yet."""
    while not heard.is_set():
        with screen.holding("Control_L", "Alt_L", "space"), suppress(AssertionError):
            await eventually(lambda: app.count("opening"), "the keys to be heard", 3)
            await eventually(heard.is_set, "the server to be heard")


async def test_clicks_go_through_subtitles_that_stay_above_and_remember_their_place(screen: Screen, tmp_path: Path):
    """The window's own properties say so, a click reaches what lies under it, and a dragged overlay stays there."""
    async with a_field(screen, tmp_path, (200, 450, 900, 300)) as under, a_field(screen, tmp_path) as other:
        async with an_app(screen, tmp_path, "--url", "ws://127.0.0.1:1/ws") as app:
            overlay = await shown(screen)
            assert {"_NET_WM_STATE_ABOVE", "_NET_WM_STATE_STAYS_ON_TOP"} <= screen.states(overlay)
            assert screen.input_rects(overlay) == 0
            await click_through(screen, overlay, under, other)
            left, top, width, height = screen.rect(overlay)
            await eventually(lambda: unlocked(screen, overlay), "the overlay to be unlocked")
            screen.point(left + 50, top + 40)
            screen.button(down=True)
            for step in range(1, 11):
                screen.point(left + 50 - 10 * step, top + 40 - 30 * step)
            screen.button(down=False)
            moved = (left - 100, top - 300, width, height)
            await eventually(lambda: screen.rect(overlay) == moved, "the overlay to be moved")
            await eventually((tmp_path / "desktop.json").exists, "the place to be saved")
            assert await app.quit() == 130
        async with an_app(screen, tmp_path):
            again = await shown(screen)
            assert screen.rect(again) == moved
            assert screen.input_rects(again) == 0


async def shown(screen: Screen) -> int:
    """The overlay's window."""
    await eventually(lambda: screen.window(SUBTITLES) is not None, "the overlay")
    return screen.window(SUBTITLES) or 0


async def click_through(screen: Screen, overlay: int, under: Field, other: Field) -> None:
    """Click into the middle of the overlay: the field below it gets the focus."""
    await other.focus()

    def clicked() -> bool:
        # Anew each time: an overlay that has just come up may still find its place.
        left, top, width, height = screen.rect(overlay)
        screen.point(left + width // 2, top + height // 2)
        screen.button(down=True)
        screen.button(down=False)
        return screen.has_focus(under.window)

    await eventually(clicked, "the field below to have the focus")


def unlocked(screen: Screen, overlay: int) -> bool:
    """Whether the overlay takes clicks; presses its keys where it does not."""
    if not screen.input_rects(overlay):
        with screen.holding("Control_L", "Alt_L", "m"):
            pass
    return bool(screen.input_rects(overlay))


async def test_committed_text_is_white_and_the_tail_grey(screen: Screen, tmp_path: Path):
    """A partial with only a tail shows no white; committed text does, and a translation has a colour of its own."""
    tail, committed, closing = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.welcome()
        for number, step in enumerate((tail, committed)):
            await step.wait()
            await caller.say(revised("0", "WWWWW" * number, "MMMMM", number + 1))
        await caller.say(translated("0", "VVVVV", is_final=True))
        await closing.wait()

    path, _ = sound(tmp_path, 60)
    async with (
        gateway(script) as peer,
        an_app(screen, tmp_path, "--url", peer.url, "--input", path, "--target", "es", "--no-type", "--start") as app,
    ):
        await app.says("listening")
        rect = screen.rect(await shown(screen))
        tail.set()
        await eventually(lambda: brightest(screen, rect) > 100, "the tail to be seen")
        assert brightest(screen, rect) < 200
        committed.set()
        await eventually(lambda: brightest(screen, rect) == 255, "committed text to be seen")
        await eventually(lambda: yellow(screen, rect) > 50, "the translation to be seen")
        closing.set()


def brightest(screen: Screen, rect: tuple[int, int, int, int]) -> int:
    """The lightest grey in a rectangle: of each pixel the colour that it has least of."""
    return int(screen.pixels(rect).min(axis=2).max())


def yellow(screen: Screen, rect: tuple[int, int, int, int]) -> int:
    """How many pixels of a translation's colour there are."""
    seen = screen.pixels(rect).astype(int)
    return int(((seen[..., 0] > 240) & (abs(seen[..., 2] - 130) < 15)).sum())


@pytest.mark.parametrize(
    ("status", "key", "sentence"),
    [
        (http.HTTPStatus.UNAUTHORIZED, "wrong", "The server refused the API key. Enter the right one in the settings."),
        (http.HTTPStatus.UNAUTHORIZED, "", "The server asks for an API key. Enter it in the settings."),
        (http.HTTPStatus.SERVICE_UNAVAILABLE, "", "The server is full. Try again in a moment."),
    ],
)
async def test_a_refusal_is_said_in_a_sentence(
    screen: Screen, tmp_path: Path, status: http.HTTPStatus, key: str, sentence: str
):
    """A wrong key, a missing one, and a full server: said, and the app goes on."""
    path, _ = sound(tmp_path, 30)
    given = ("--api-key", key) if key else ()
    async with (
        gateway(refusals=[(status, {})] * 50) as peer,
        an_app(screen, tmp_path, "--url", peer.url, "--input", path, "--start", *given) as app,
    ):
        await app.says(sentence)
        assert await app.quit() == 130
    assert peer.headers[0] == (f"Bearer {key}" if key else None)


async def test_without_server_microphone_or_sound_it_says_so(screen: Screen, tmp_path: Path):
    """Nobody at the address, and a microphone that is not there: a sentence for each, on one run after another."""
    path, _ = sound(tmp_path, 30)
    url = "ws://127.0.0.1:1/ws"
    async with an_app(screen, tmp_path, "--url", url, "--input", path, "--start") as app:
        await app.says(f"No server answers at {url}. Start one, or mend its address in the settings.")
    async with an_app(screen, tmp_path, "--input", "microphone:nobody's", "--start") as app:
        await eventually(lambda: app.count(sentences.NO_MICROPHONE) or app.count(sentences.DENIED), "its sentence")
    async with an_app(screen, tmp_path, "--input", "system", "--start") as app:
        await app.says("There is no sound: what this computer plays cannot be recorded")


async def test_an_unsupported_language_is_said_and_the_session_goes_on(screen: Screen, tmp_path: Path):
    """The server's refusal of a language is shown in a sentence, and what it hears is typed nevertheless."""
    focused = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await focused.wait()
        await caller.say(wire.Error(code="unknown_language", message="Klingon cannot be transcribed"))
        await speak(caller, 1)
        await caller.finish()

    path, _ = sound(tmp_path, 60)
    async with (
        gateway(script) as peer,
        a_field(screen, tmp_path) as field,
        an_app(screen, tmp_path, "--url", peer.url, "--input", path, "--start") as app,
    ):
        await app.says("listening")
        await field.focus()
        focused.set()
        await app.says("The server cannot do this language: Klingon cannot be transcribed.")
        await field.holds("Sentence 1.")
