"""What decides in the desktop app: spacing, order, captions, chords, places, sentences. No display is needed."""

import pytest
from peer import final, partial, translated

from speechpipe_client import (
    AuthenticationError,
    Event,
    Final,
    GatewayFull,
    GatewayUnreachable,
    MicrophoneDenied,
    NoMicrophone,
    Opened,
    Partial,
    Problem,
    SessionLost,
    SpeechpipeError,
    SpeechStarted,
)
from speechpipe_client.desktop import sentences
from speechpipe_client.desktop.captions import KEPT_SEGMENTS, Captions, Line
from speechpipe_client.desktop.choices import language_choices
from speechpipe_client.desktop.chords import RELEASE_SECONDS, BadChord, Chord, pynput_name
from speechpipe_client.desktop.dictation import SENTENCE_SECONDS, Dictation
from speechpipe_client.desktop.heard import HeardUntil
from speechpipe_client.desktop.keyboard_map import KeyboardMap
from speechpipe_client.desktop.notices import State, Status
from speechpipe_client.desktop.order import SpeechOrder
from speechpipe_client.desktop.placement import place
from speechpipe_client.desktop.spacing import Spacing, clean
from speechpipe_client.desktop.tape import Tape
from speechpipe_client.desktop.typists import Way, choose_way
from speechpipe_client.events import event_of, opened
from speechpipe_common import wire

NEW_SESSION = opened(
    wire.Ready(
        session_id="s", token="t", offset=0, resumed=False, sample_rate=16_000, channels=1, format="s16", cursor="0-0"
    )
)


def said(segment: str, text: str, end: float = 1.0) -> Final:
    """A final, as the library hands it out."""
    event = event_of(final(segment, text, "1-0", end))
    assert isinstance(event, Final)
    return event


def saying(segment: str, committed: str, tail: str = "") -> Event:
    """A partial."""
    return Partial(
        segment_id=segment,
        rev=1,
        text=committed + tail,
        committed=committed,
        tail=tail,
        language="en",
        processing_time=0.1,
        cursor="0-0",
    )


def started(segment: str) -> Event:
    """An onset."""
    return SpeechStarted(segment_id=segment, offset=int(segment))


def failed(segment: str | None, code: str = "gave_up", language: str | None = None) -> Problem:
    """A segment without a final."""
    return Problem(code=code, message="no worker took it", segment_id=segment, language=language)


# --- spacing ------------------------------------------------------------------------------------------------------


def test_finals_are_joined_by_one_space_and_closing_marks_by_none():
    """What follows gets a space before it; a comma or a closing bracket belongs to the word before it."""
    spacing = Spacing()
    typed = [spacing.join(text, "en") for text in ("One.", " Two ", ", three", ")", "(four", "“five”", "")]
    assert "".join(typed) == "One. Two, three) (four “five”"


def test_scripts_without_spaces_get_none_and_another_window_begins_anew():
    """Japanese sentences are not spaced; text in another window has nothing to follow there."""
    spacing = Spacing()
    assert [spacing.join("こんにちは", "ja"), spacing.join("世界", "ja")] == ["こんにちは", "世界"]
    assert [spacing.join("a", "en", 1), spacing.join("b", "en", 2), spacing.join("c", "en", 2)] == ["a", "b", " c"]


def test_nothing_typed_presses_enter_or_tab():
    """Control characters and line separators of a text become spaces."""
    assert clean("one\ntwo\tthree\u2028four\x1b") == "one two three four"


# --- order --------------------------------------------------------------------------------------------------------


def test_a_final_waits_for_what_was_said_before_it():
    """Two workers finish in the wrong order: finals come out in the order of speech."""
    order = SpeechOrder()
    events = [started("0"), started("100"), said("100", "second"), saying("200", "thi"), said("0", "first")]
    released = [[each.text for each in order.take(event)] for event in events]
    assert released == [[], [], [], [], ["first", "second"]]
    assert [each.text for each in order.take(said("200", "third"))] == ["third"]


def test_failed_and_empty_segments_hold_nobody_up():
    """A segment without a final or without text lets later ones through; a failed translation settles nothing."""
    order = SpeechOrder()
    for event in (started("0"), started("1"), started("2"), said("2", "there")):
        assert order.take(event) == []
    assert order.take(failed("0", language="es")) == []
    assert order.take(failed("0")) == []
    assert [each.text for each in order.take(said("1", "  "))] == ["there"]


def test_a_new_session_lets_out_what_waited_for_the_old_one():
    """What a forgotten session left open never comes, so its later finals wait no more."""
    order = SpeechOrder()
    for event in (started("0"), started("1"), said("1", "kept")):
        order.take(event)
    assert [each.text for each in order.take(NEW_SESSION)] == ["kept"]
    assert order.rest() == []


# --- captions -----------------------------------------------------------------------------------------------------


def test_committed_text_is_solid_and_the_tail_faint_until_the_final():
    """A line is all finals and the committed part, then what may change; the final makes it solid."""
    captions = Captions(("es",))
    captions.take(said("0", "One two."), 0.0)
    captions.take(saying("1", "And it is", " worth"), 1.0)
    captions.take(event_of(translated("0", "Uno dos.", is_final=True)), 1.0)
    captions.take(event_of(translated("1", "Y es", is_final=False)), 1.0)
    assert captions.lines(1.0) == [Line("en", "One two. And it is", " worth"), Line("es", "Uno dos.", " Y es")]
    captions.take(said("1", "And it is worth it."), 2.0)
    captions.take(saying("1", "never", " again"), 2.0)
    assert captions.lines(2.0)[0] == Line("en", "One two. And it is worth it.")


def test_a_tail_keeps_what_follows_it_faint():
    """Text after something that may still change is not shown as settled."""
    captions = Captions()
    captions.take(saying("0", "", "maybe"), 0.0)
    captions.take(said("1", "Surely."), 0.0)
    assert captions.lines(0.0) == [Line("en", "", "maybe Surely.")]


def test_captions_go_after_a_while_and_old_segments_first():
    """Nothing is shown long after the last words; only the newest segments are kept."""
    captions = Captions(hold_seconds=5)
    for number in range(KEPT_SEGMENTS + 3):
        captions.take(said(str(number), f"s{number}"), 0.0)
    assert captions.lines(4.0)[0].solid.split()[0] == "s3"
    assert captions.lines(5.1) == []


def test_a_sentence_stays_for_a_while_and_while_the_connection_is_lost():
    """What is wrong is shown for some seconds; that the connection is lost, as long as it is."""
    dictation = Dictation()
    lost, back = Status(State.LOST, "lost", trouble=True), Status(State.LISTENING, "back")
    dictation.take_status(lost, 0.0)
    assert dictation.shown(SENTENCE_SECONDS * 10) == ([], lost)
    dictation.take_status(back, 100.0)
    assert dictation.shown(101.0) == ([], back)
    assert dictation.shown(100.0 + SENTENCE_SECONDS) == ([], None)


# --- audio that is kept -------------------------------------------------------------------------------------------


def test_the_tape_forgets_only_what_was_released():
    """Frames keep their numbers while the front of the tape goes."""
    tape = Tape()
    tape.append(bytes(range(20)))
    tape.release(4)
    assert (tape.base, tape.end, tape.read(4, 2), tape.read(10, 5)) == (4, 10, bytes((8, 9, 10, 11)), b"")
    tape.release(99)
    assert (tape.base, tape.end) == (10, 10)


def test_a_new_session_begins_after_the_last_final_with_nothing_open():
    """Speech counts as captioned up to a final before which every segment has one."""
    heard = HeardUntil(16_000)
    for event in (started("0"), started("1"), said("1", "b", 2.0)):
        heard.take(event)
    assert heard.frame == 0
    heard.take(said("0", "a", 1.0))
    assert heard.frame == 16_000
    for event in (started("2"), failed("2"), said("3", "c", 3.0)):
        heard.take(event)
    assert heard.frame == 48_000


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_held_chord_begins_once_and_ends_when_it_is_let_go():
    """The repetition of a held key (release and press at once) is not taken for letting go."""
    chord = Chord(frozenset({"ctrl", "space"}))
    assert [chord.pressed("ctrl"), chord.pressed("space")] == [False, True]
    assert chord.released("space", 1.0)
    assert not chord.pressed("space")
    assert not chord.ended(1.0 + 2 * RELEASE_SECONDS)
    assert chord.released("ctrl", 2.0)
    assert not chord.ended(2.0)
    assert chord.ended(2.0 + RELEASE_SECONDS)
    assert not chord.ended(3.0)


def test_a_chord_whose_keys_are_all_let_go_is_over_at_once():
    """Only one key repeats: with two of them up there is nothing to wait for, and it can be pressed again."""
    chord = Chord(frozenset({"ctrl", "d"}))
    for _ in range(2):
        assert [chord.pressed("ctrl"), chord.pressed("d")] == [False, True]
        assert chord.released("d", 1.0)
        assert not chord.ended(1.0)
        assert chord.released("ctrl", 1.0)
        assert chord.ended(1.0)
    assert not chord.released("x", 4.0)


@pytest.mark.parametrize(
    ("written", "name"),
    [("Ctrl+Alt+Space", "<ctrl>+<alt>+<space>"), ("F9", "<f9>"), ("Meta+D", "<cmd>+d"), ("PgUp", "<page_up>")],
)
def test_chords_are_written_as_people_write_them(written: str, name: str):
    """Qt's notation becomes pynput's."""
    assert pynput_name(written) == name


def test_a_text_that_is_no_chord_is_refused_by_name():
    """The error shows what was written, and how it should be."""
    with pytest.raises(BadChord, match=r"'Ctrl\+' is no key combination.*Ctrl\+Alt\+Space"):
        pynput_name("Ctrl+")


def keysyms(text: str) -> list[list[int]]:
    """Keys with each letter and its capital."""
    return [[ord(char), ord(char.upper())] for char in text]


def test_keys_type_a_text_only_where_each_character_has_one():
    """Other characters, Caps Lock and a second layout ask for pasting."""
    german = [*keysyms("abcü"), [0x20, 0x20, 0x20, 0x20]]
    assert KeyboardMap(german).types("Cab ü")
    assert not KeyboardMap(german).types("cab é")
    assert not KeyboardMap(german, locked=True).types("cab")
    assert not KeyboardMap([[0x61, 0x41, 0x6C6, 0x6E6]]).types("a")
    assert KeyboardMap([[0x61, 0x41, 0x61, 0x41, 0x1000105]]).types("aA")


@pytest.mark.parametrize(
    ("platform", "environ", "there", "way"),
    [
        ("linux", {"DISPLAY": ":0"}, {"pynput", "xdotool"}, "pynput"),
        ("linux", {"DISPLAY": ":0"}, {"xdotool"}, "xdotool"),
        ("linux", {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, {"pynput", "wtype"}, "wtype"),
        ("linux", {"DISPLAY": ":0", "WAYLAND_DISPLAY": "wayland-0"}, {"pynput", "xdotool"}, "clipboard"),
        ("linux", {}, {"pynput", "wtype"}, "clipboard"),
        ("win32", {}, {"pynput"}, "pynput"),
        ("darwin", {}, set(), "clipboard"),
    ],
)
def test_the_way_of_typing_follows_the_desktop(platform: str, environ: dict[str, str], there: set[str], way: Way):
    """X11, Windows and macOS take keys from programs; of Wayland's compositors those that wtype speaks to."""
    assert choose_way(platform, environ, there.__contains__) == way


# --- places and languages -----------------------------------------------------------------------------------------

SCREEN = (0, 0, 1000, 800)


def test_subtitles_stand_low_in_the_middle_or_where_they_were():
    """A remembered place is used while a screen shows it."""
    assert place([SCREEN], 100, None, None) == (200, 652, 600, 100)
    assert place([SCREEN], 100, (10, 300), 400) == (10, 200, 400, 100)
    assert place([SCREEN, (1000, 0, 500, 500)], 100, (1100, 300), 300) == (1100, 200, 300, 100)
    assert place([SCREEN], 100, (1100, 300), 300) == (350, 652, 300, 100)
    assert place([SCREEN], 100, None, 5000) == (0, 652, 1000, 100)


def test_the_menu_offers_what_is_used_first():
    """Languages in use, then those used before, then common ones, each once."""
    assert language_choices(("it",), ("pl", "en"))[:4] == ["it", "pl", "en", "es"]


# --- sentences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "has_key", "sentence"),
    [
        (AuthenticationError("x"), True, "The server refused the API key. Enter the right one in the settings."),
        (AuthenticationError("x"), False, "The server asks for an API key. Enter it in the settings."),
        (GatewayFull("x"), False, "The server is full. Try again in a moment."),
        (
            GatewayUnreachable("x"),
            False,
            "No server answers at ws://a/ws or ws://b/ws. Start one, or mend its address in the settings.",
        ),
        (
            SessionLost("x"),
            False,
            "The server did not come back. What was said since the connection was lost has no captions.",
        ),
        (NoMicrophone("x"), False, sentences.NO_MICROPHONE),
        (MicrophoneDenied("x"), False, sentences.DENIED),
        (SpeechpipeError("the moon is full"), False, "Listening has ended: the moon is full."),
    ],
)
def test_each_failure_has_a_sentence(error: SpeechpipeError, has_key: bool, sentence: str):
    """Whoever sits in front of it reads what is wrong and what to do."""
    assert sentences.of_failure(error, urls=("ws://a/ws", "ws://b/ws"), has_key=has_key) == sentence


def test_what_the_server_cannot_do_is_said():
    """An unsupported language, a sentence that failed, and a missing translation are told apart."""
    told = [
        sentences.of_problem(problem)
        for problem in (failed(None, "unknown_language"), failed("0"), failed("0", language="es"))
    ]
    assert told == [
        "The server cannot do this language: no worker took it.",
        "A sentence could not be transcribed: no worker took it.",
        "A sentence has no translation into es: no worker took it.",
    ]


def test_a_partial_of_the_protocol_is_an_event():
    """The library's partials, made of the protocol's, are shown."""
    captions = Captions()
    captions.take(event_of(partial("0", "hel", 1)), 0.0)
    assert captions.lines(0.0) == [Line("en", "", "hel")]
    assert isinstance(NEW_SESSION, Opened)
