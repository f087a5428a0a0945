"""From a job to an utterance and from what was heard to messages: decisions without I/O."""

from typing import Final

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.messages import AudioJob, Failure, MessageError, TextJob, Transcript, Word, decode
from speechpipe_common.store import MissingAudio
from speechpipe_stt.audio import from_pcm16, normalize
from speechpipe_stt.engine import EngineError, Transcription, Utterance
from speechpipe_stt.settings import SttSettings

LONGEST_JOB_SECONDS: Final = 600
"""Far beyond any segment; what is longer than audio lives in Redis is no job."""


def read_job(payload: bytes) -> AudioJob:
    """The job in a stream entry.

    Raises:
        MessageError: not an ``AudioJob``, or its range is empty, begins before its turn, or is absurdly long.
    """
    job = decode(payload, AudioJob)
    if not 0 <= job.turn <= job.start < job.end:
        raise MessageError(f"samples [{job.start}, {job.end}) are no range of the turn that begins at {job.turn}")
    if job.end - job.start > LONGEST_JOB_SECONDS * SAMPLE_RATE:
        raise MessageError(f"samples [{job.start}, {job.end}) are more than {LONGEST_JOB_SECONDS} s")
    return job


def expired(job: AudioJob, now: float) -> bool:
    """Whether nobody wants this partial any more; ``now`` in unix seconds."""
    return job.kind == "partial" and job.expires_at is not None and job.expires_at < now


def utterance(job: AudioJob, pcm: bytes, settings: SttSettings) -> Utterance:
    """What the engine is asked: everything for what may become a final, speed for a partial."""
    audio = from_pcm16(pcm)
    partial = job.kind == "partial"
    return Utterance(
        audio=normalize(audio) if settings.normalize_audio else audio,
        language=job.language,
        prompt=job.prompt,
        hotwords=job.hotwords,
        beam_size=1 if partial else settings.beam_size,
        fallback=not partial,
        # How sure a detected language is shows in the words of finals.
        word_timestamps=not partial and (job.words or job.language is None),
    )


def transcript(job: AudioJob, heard: Transcription, seconds: float) -> Transcript:
    """The result of a job, its words in session time; ``seconds`` is what decoding took."""
    offset = job.start / SAMPLE_RATE
    return Transcript(
        segment=job.segment,
        rev=job.rev,
        kind=job.kind,
        start=job.start,
        end=job.end,
        text=heard.text,
        language=heard.language,
        language_probability=round(heard.language_probability, 3),
        words=tuple(
            Word(
                text=word.text,
                start=round(offset + word.start, 3),
                end=round(offset + word.end, 3),
                probability=round(word.probability, 3),
            )
            for word in heard.words
        ),
        processing_time=round(seconds, 3),
    )


def translations(job: AudioJob, heard: Transcription, now: float) -> list[TextJob]:
    """Jobs that a final (or a candidate, once promoted) starts; none where nothing was said."""
    if job.kind == "partial" or not heard.text:
        return []
    return [
        TextJob(
            client=job.client,
            segment=job.segment,
            rev=job.rev,
            final=True,
            text=heard.text,
            source=heard.language,
            target=target,
            submitted_at=now,
        )
        for target in job.targets
    ]


def missing(job: AudioJob, audio: MissingAudio) -> Failure:
    """The failure that has the gateway mend the audio and submit the job again."""
    return Failure(
        segment=job.segment,
        rev=job.rev,
        code="audio_missing",
        message=f"Redis holds {audio.found} of {audio.wanted} bytes of samples [{job.start}, {job.end})",
        retry=True,
    )


def undecodable(job: AudioJob, error: EngineError) -> Failure:
    """The failure of a job that no attempt will decode."""
    return Failure(segment=job.segment, rev=job.rev, code=error.code, message=str(error), retry=False)
