"""Speech in, a transcript out: for who does not want to see captions while they come."""

import os
from collections.abc import Callable, Sequence
from typing import Literal, Unpack

from speechpipe_client.audio import AudioFile, Pace
from speechpipe_client.connecting import connect
from speechpipe_client.events import Event
from speechpipe_client.options import Credential, Limits, Wishes
from speechpipe_client.sources import Audio
from speechpipe_client.transcript import Transcript


async def transcribe(
    audio: Audio,
    url: str | Sequence[str],
    *,
    api_key: Credential | None = None,
    language: str = "auto",
    translate: str | Sequence[str] = (),
    on_event: Callable[[Event], None] | None = None,
    limits: Limits | None = None,
    **wishes: Unpack[Wishes],
) -> Transcript:
    """Send all of ``audio`` and wait for every final and translation.

    ``on_event`` is told of each event as it comes; without it there are no partials, which nobody would see. All other
    arguments are those of ``connect``.

    Raises:
        UnsupportedLanguage: a language that nobody knows.
        SpeechpipeError: what ended the session before its time. A single segment that fails is no reason: see
            ``Transcript.problems``.
    """
    transcript = Transcript()
    wishes = Wishes(partials=on_event is not None) | wishes
    session = connect(
        url, api_key=api_key, language=language, translate=translate, audio=audio, limits=limits, **wishes
    )
    async with session:
        async for event in session:
            transcript.add(event)
            if on_event is not None:
                on_event(event)
    return transcript


async def transcribe_file(
    path: str | os.PathLike[str],
    url: str | Sequence[str],
    *,
    api_key: Credential | None = None,
    language: str = "auto",
    translate: str | Sequence[str] = (),
    pace: Pace | Literal["realtime", "fast"] = Pace.FAST,
    on_event: Callable[[Event], None] | None = None,
    limits: Limits | None = None,
    **wishes: Unpack[Wishes],
) -> Transcript:
    """Transcribe an audio file (WAV, FLAC, MP3, Ogg; any rate and channels).

    With the pace ``realtime`` it is sent as a microphone would give it, otherwise as fast as the gateway takes it. All
    other arguments are those of ``transcribe``.

    Raises:
        AudioError: the file is not there, or no audio.
        SpeechpipeError: as ``transcribe``.
    """
    return await transcribe(
        AudioFile.open(path, pace),
        url,
        api_key=api_key,
        language=language,
        translate=translate,
        on_event=on_event,
        limits=limits,
        **wishes,
    )
