"""When a segment is translated before its final."""

from dataclasses import dataclass, field

from session_world import CONFIG, QUIET, SPEECH, World, transcript

from speechpipe_common.messages import Translated
from speechpipe_common.wire import Translation
from speechpipe_gateway.session import Options


@dataclass
class Talk:
    """A speaker whose words are wanted in other languages."""

    world: World = field(default_factory=lambda: World.new(options=Options(source="en", targets=("es", "fr"))))

    def partial(self, text: str) -> None:
        """More speech, of which all so far is heard as ``text``."""
        self.world.hear(SPEECH, 1.1)
        self.world.deliver(transcript(self.world.jobs("partial")[-1], text))

    def answer(self, rev: int, language: str = "es") -> None:
        """A partial's translation comes."""
        segment = self.world.jobs()[0].segment
        body = Translated(
            segment=segment, rev=rev, final=False, text=f"{rev}", source="en", language=language, processing_time=0
        )
        self.world.deliver(body)

    def asked(self, language: str = "es") -> list[str]:
        """Texts that translations were asked for."""
        return [effect.job.text for effect in self.world.texts() if effect.job.target == language]

    def last_rev(self, language: str = "es") -> int:
        """Revision of the last of them."""
        return [effect.job.rev for effect in self.world.texts() if effect.job.target == language][-1]


def test_only_growth_of_committed_text_is_translated() -> None:
    """A partial whose committed text is what was translated last is not translated, however its tail changes."""
    talk = Talk()
    for text in ("one", "one two"):  # the first commits nothing, the second "one"
        talk.partial(text)
    assert talk.asked() == talk.asked("fr") == ["one two"]
    talk.answer(talk.last_rev())
    talk.partial("one too many")
    talk.partial("one tomorrow")
    assert talk.asked() == ["one two"]
    talk.partial("one tomorrow morning")
    assert talk.asked() == ["one two", "one tomorrow morning"]


def test_one_is_out_for_a_language_and_the_newest_text_follows_it() -> None:
    """Growth while a translation is out waits for it, and is then asked for at once, in its newest form, once."""
    talk = Talk()
    for text in ("one", "one two", "one two three", "one two three four"):
        talk.partial(text)
    assert talk.asked() == ["one two"]
    talk.answer(talk.last_rev())
    assert talk.asked() == ["one two", "one two three four"]
    assert talk.asked("fr") == ["one two"]
    talk.answer(talk.last_rev())
    assert talk.asked() == ["one two", "one two three four"]


def test_what_did_not_come_is_asked_for_again() -> None:
    """A translation that was shed, or is overdue, counts as none: the next partial asks without new growth."""
    talk = Talk()
    for text in ("one", "one two"):
        talk.partial(text)
    [first, _] = talk.world.texts()
    talk.world.core.text_submitted(first.job, "shed", "")
    talk.partial("one or")
    assert talk.asked() == ["one two", "one or"]
    assert talk.asked("fr") == ["one two"]
    talk.world.now += CONFIG.partial_seconds
    talk.partial("one more")
    assert talk.asked() == ["one two", "one or", "one more"]


def test_a_late_translation_does_not_stand_for_the_newer_one() -> None:
    """One that comes after its time is shown, and what was asked for since stays out."""
    talk = Talk()
    for text in ("one", "one two"):
        talk.partial(text)
    late = talk.last_rev()
    talk.world.now += CONFIG.partial_seconds
    talk.partial("one two three")
    talk.answer(late)
    talk.partial("one two three four")
    assert talk.asked() == ["one two", "one two three"]
    shown = [message for message in talk.world.messages() if isinstance(message, Translation)]
    assert [message.rev for message in shown] == [late]


def test_a_candidate_is_translated_to_the_letter() -> None:
    """A candidate is sent as it was decoded, not as the caption that was committed before: its final will be the same
    text, so that the worker knows the answer by then.
    """
    talk = Talk()
    talk.partial("one two")
    talk.partial("one two three")
    talk.answer(talk.last_rev())
    talk.world.hear(QUIET, 0.5)
    [candidate] = talk.world.jobs("candidate")
    talk.world.deliver(transcript(candidate, "One, two, three."))
    assert talk.asked() == ["one two three", "One, two, three."]
