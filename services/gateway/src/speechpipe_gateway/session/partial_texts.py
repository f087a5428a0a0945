"""Translations of what was said so far: asked for where committed text has grown, one at a time for a language."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from speechpipe_common.messages import TextJob, Translated


@dataclass(frozen=True, slots=True)
class Said:
    """The newest partial or candidate of a segment, as it would be translated."""

    rev: int
    text: str
    language: str
    settled: int
    """Tokens committed by then."""


@dataclass(slots=True)
class _Track:
    """One language.

    Attributes:
        covered: tokens that were committed in what the newest translation that came was made of.
        asked: what was asked for last.
        deadline: until when it is waited for; None: it is not out any more.
        shown: highest revision that came.
    """

    covered: int = 0
    asked: Said | None = None
    deadline: float | None = None
    shown: int = 0


@dataclass(slots=True)
class PartialTexts:
    """Of one segment. What has not come in time, or was shed, counts as not translated."""

    said: Said | None = None
    _tracks: dict[str, _Track] = field(default_factory=dict)

    def due(self, client: str, segment: int, targets: Iterable[str], now: float, patience: float) -> list[TextJob]:
        """Jobs for the languages in which committed text has grown since it was last translated, and none is out.

        Their revision is that of what they translate, so that none is above that of the final to come.

        Args:
            client: the session's id.
            segment: its id.
            targets: languages to translate into.
            now: unix seconds.
            patience: seconds that a translation may take.
        """
        said = self.said
        if said is None or not said.text:
            return []
        jobs = []
        for target in targets:
            track = self._tracks.setdefault(target, _Track())
            if said.settled <= track.covered or (track.deadline is not None and now < track.deadline):
                continue
            track.asked, track.deadline = said, now + patience
            jobs.append(_job(client, segment, target, said, now, track.deadline))
        return jobs

    def shed(self, target: str) -> None:
        """The job that was out was not taken."""
        self._tracks.setdefault(target, _Track()).deadline = None

    def came(self, translated: Translated) -> bool:
        """Take a translation; False where it is no newer than one before."""
        track = self._tracks.setdefault(translated.language, _Track())
        if track.asked is not None and translated.rev >= track.asked.rev:
            track.covered, track.deadline = track.asked.settled, None
        newer = translated.rev > track.shown
        track.shown = max(track.shown, translated.rev)
        return newer


def _job(client: str, segment: int, target: str, said: Said, now: float, deadline: float) -> TextJob:
    return TextJob(
        client=client,
        segment=segment,
        rev=said.rev,
        final=False,
        text=said.text,
        source=said.language,
        target=target,
        submitted_at=now,
        expires_at=deadline,
    )
