"""Whisper in batches behind the ``SteppingEngine`` protocol."""

from collections.abc import Sequence
from typing import Final

import ctranslate2
import numpy as np

from speechpipe_common.logs import get_logger
from speechpipe_stt.batched.attempts import FULL_WINDOW, WINDOWS, attempts, judge
from speechpipe_stt.batched.features import rows
from speechpipe_stt.batched.model import Draft, WhisperCalls
from speechpipe_stt.batched.tasks import BatchedTask, ReferenceTask, Tried
from speechpipe_stt.batched.words import align
from speechpipe_stt.engine import EngineError, HeardWord, Task, Transcription, Utterance
from speechpipe_stt.guards import impossible, loops, repeats_itself
from speechpipe_stt.pieces import believed, in_order
from speechpipe_stt.speech import Speech
from speechpipe_stt.whisper import FasterWhisperEngine, silent

RATE: Final = 16_000

LONGEST_SECONDS: Final = 28.0
"""Speech beyond this needs several windows, which the reference engine goes through."""

BATCH_ON_CPU: Final = 16
"""With 32 a worker does a tenth more in a second, and a final may wait twice as long for the call before its own."""

BATCH_ON_GPU: Final = 32
"""A step takes 1.9 ms for 16 with five beams, 2.2 for 32, 4.6 for 64 (base in float16, NVIDIA H200)."""

UNHEARD_SECONDS: Final = 1.5
"""At the end of a final that the decoder broke off, which may hold words; less is mostly the pause that ended it."""

_log = get_logger(__name__)

Outcome = Transcription | EngineError


class BatchedEngine:
    """Decodes utterances of like length together, in windows as long as they need.

    Args:
        reference: The model, loaded; decodes what does not fit a window.
        rules: See ``WhisperCalls``.
    """

    def __init__(self, reference: FasterWhisperEngine, *, rules: bool | None = None) -> None:
        self._reference = reference
        self._calls = WhisperCalls(reference.model, rules=rules)

    @property
    def batch_size(self) -> int:
        """See ``SteppingEngine``."""
        return BATCH_ON_CPU if self._calls.on_cpu else BATCH_ON_GPU

    def transcribe(self, batch: Sequence[Utterance]) -> list[Outcome]:
        """One outcome for each utterance, in order, after as many attempts as they need; see ``Engine``."""
        outcomes: dict[int, Outcome] = {}
        waiting = dict(enumerate(self.prepare(batch)))
        while waiting:
            open_tasks: dict[int, Task] = {}
            for index, state in waiting.items():
                if isinstance(state, Transcription | EngineError):
                    outcomes[index] = state
                else:
                    open_tasks[index] = state
            waiting = {}
            if open_tasks:
                group = next(iter(open_tasks.values())).group
                chosen = [index for index, task in open_tasks.items() if task.group == group]
                stepped = self.step([open_tasks[index] for index in chosen])
                waiting = {**open_tasks, **dict(zip(chosen, stepped, strict=True))}
        return [outcomes[index] for index in range(len(batch))]

    def warm_up(self) -> None:
        """Decode silence once in the shortest window.

        Raises:
            RuntimeError: the model takes no short windows.
            ValueError: the same.
        """
        mel = self._calls.features(np.zeros(RATE, np.float32))
        encoded = self._calls.encode([mel, mel], WINDOWS[:2])
        prompts = [self._calls.prompt((), language) for language, _ in self._calls.languages(encoded)]
        self._calls.generate(encoded, prompts, beam_size=1, temperature=0, most_tokens=4, speech=(1, 1))

    def prepare(self, batch: Sequence[Utterance]) -> list[Task | Transcription | EngineError]:
        """Find the speech and its features; see ``SteppingEngine``."""
        return [self._prepared(utterance) for utterance in batch]

    def _prepared(self, utterance: Utterance) -> Task | Transcription | EngineError:
        try:
            speech = self._reference.speech(utterance)
        except EngineError as error:
            return error
        if speech is None:
            return silent(utterance)
        if speech.seconds > LONGEST_SECONDS:
            return _left_to_the_reference(utterance, speech, "longer than a window")
        prompt = self._reference.prompt(utterance.prompt) or []
        hotwords = self._reference.hotwords(utterance.hotwords)
        return BatchedTask(
            utterance=utterance,
            speech=speech,
            mel=self._calls.features(speech.audio),
            context=(*hotwords, *prompt),
            attempts=attempts(speech.seconds, fallback=utterance.fallback),
            language=utterance.language,
        )

    def step(self, tasks: Sequence[Task]) -> list[Transcription | EngineError | Task]:
        """Decode tasks of one group; see ``SteppingEngine``."""
        outcomes: list[Transcription | EngineError | Task] = []
        # Neighbours are of one language, which is how words are aligned.
        batched = sorted(
            (each for each in tasks if isinstance(each, BatchedTask)), key=lambda each: each.language or ""
        )
        decoded = dict(zip(map(id, batched), self._decode(batched) if batched else (), strict=True))
        for task in tasks:
            if isinstance(task, ReferenceTask):
                outcomes.append(self._reference.decode(task.utterance, task.speech))
            else:
                outcomes.append(decoded[id(task)])
        return outcomes

    def _decode(self, tasks: Sequence[BatchedTask]) -> list[Transcription | Task]:
        encoded = self._calls.encode([task.mel for task in tasks], [task.attempt.window for task in tasks])
        self._detect(tasks, encoded)
        drafts = self._calls.generate(
            encoded,
            [self._calls.prompt(task.context, task.language or "en") for task in tasks],
            beam_size=tasks[0].utterance.beam_size,
            temperature=tasks[0].attempt.temperature,
            most_tokens=max(task.most_tokens for task in tasks),
            speech=[task.speech.seconds for task in tasks],
        )
        accepted = _accepted(tasks, drafts)
        broken_off = {index for index, draft in accepted.items() if _broke_off(tasks[index], draft)}
        words = self._words(tasks, {i: draft for i, draft in accepted.items() if i not in broken_off}, encoded)
        outcomes: list[Transcription | Task] = []
        for index, task in enumerate(tasks):
            if index in broken_off:
                outcomes.append(_left_to_the_reference(task.utterance, task.speech, "broken off before its end"))
            elif index in accepted:
                outcomes.append(self._transcription(task, accepted[index], words.get(index, ())))
            else:
                outcomes.append(task)
        return outcomes

    def _detect(self, tasks: Sequence[BatchedTask], encoded: ctranslate2.StorageView) -> None:
        if all(task.language for task in tasks):
            return
        for task, (language, probability) in zip(tasks, self._calls.languages(encoded), strict=True):
            if task.language is None:
                task.language, task.probability = language, probability

    def _words(
        self, tasks: Sequence[BatchedTask], drafts: dict[int, Draft], encoded: ctranslate2.StorageView
    ) -> dict[int, tuple[HeardWord, ...]]:
        """Words of the accepted drafts that are to have times, in calls of one language."""
        lengths: dict[str | None, dict[int, int]] = {}
        for index, draft in drafts.items():
            if tasks[index].utterance.word_timestamps and draft.tokens:
                lengths.setdefault(tasks[index].language, {})[index] = len(draft.tokens)
        groups = [(language, some) for language, each in lengths.items() for some in self._calls.alignments(each)]

        def aligned(group: tuple[str | None, list[int]]) -> list[tuple[HeardWord, ...]]:
            language, some = group
            return align(
                self._reference.model,
                self._calls.tokenizer(language or "en"),
                rows(encoded, some),
                [drafts[index].tokens if index in lengths[language] else () for index in some],
                [min(tasks[index].mel.shape[1], FULL_WINDOW) for index in some],
            )

        found: dict[int, tuple[HeardWord, ...]] = {}
        for (language, some), words in zip(groups, self._calls.each(aligned, groups), strict=True):
            found.update((index, row) for index, row in zip(some, words, strict=True) if index in lengths[language])
        return found

    @staticmethod
    def _transcription(task: BatchedTask, draft: Draft, words: tuple[HeardWord, ...]) -> Transcription:
        piece = believed(draft.text, words, draft.evidence)
        return Transcription(
            text=piece.text.strip() if piece else "",
            language=task.language or "",
            language_probability=task.probability,
            words=in_order(task.speech.restored(piece.words), task.utterance.seconds) if piece else (),
        )


def _accepted(tasks: Sequence[BatchedTask], drafts: Sequence[Draft]) -> dict[int, Draft]:
    """Note the drafts with their tasks; of those that get no further attempt, what is to stand, by index."""
    accepted: dict[int, Draft] = {}
    for index, (task, draft) in enumerate(zip(tasks, drafts, strict=True)):
        endless = draft.length >= task.most_tokens
        endless = endless or impossible(draft.text, task.speech.seconds)
        said_twice = task.has_written(draft.text) and not loops(draft.text)
        suspicious = endless or (repeats_itself(draft.text) and not said_twice)
        verdict = judge(
            draft.evidence,
            suspicious=suspicious,
            fallback=task.utterance.fallback,
            first=not task.tried,
            babbled=task.babbled,
        )
        task.tried.append(Tried(draft, verdict))
        if verdict.good:
            accepted[index] = draft
        elif task.exhausted:
            accepted[index] = task.last_resort()
    return accepted


def _broke_off(task: BatchedTask, draft: Draft) -> bool:
    """Whether there may be words behind the end of a final; a partial is soon followed by another."""
    if draft.heard_until is None or not task.utterance.fallback:
        return False
    return draft.heard_until < task.speech.seconds - UNHEARD_SECONDS


def _left_to_the_reference(utterance: Utterance, speech: Speech, reason: str) -> ReferenceTask:
    _log.info("reference_engine_used", reason=reason, seconds=round(speech.seconds, 1))
    return ReferenceTask(utterance, speech)
