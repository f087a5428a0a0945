"""From texts of one direction to their translations, whatever route leads there."""

import unicodedata
from collections.abc import Callable, Sequence

from speechpipe_common.languages import UnknownLanguage, resolve
from speechpipe_translate.engines.base import Engine, Outcome
from speechpipe_translate.errors import HubUnreachable, TranslationError, UnknownLanguageCode, UnsupportedPair
from speechpipe_translate.memory import Memory
from speechpipe_translate.pool import ModelPool
from speechpipe_translate.routes import Pair, Route, find_route


class Translator:
    """An engine's pairs joined into routes.

    Args:
        engine: knows which pairs there are.
        pool: lends their models.
        pivots: language codes that a route may pass through, best first.
        memory: what the engine was asked before; None: nothing is remembered.
        looked_up: told how many texts were remembered, and how many were not.
    """

    def __init__(
        self,
        engine: Engine,
        pool: ModelPool,
        pivots: Sequence[str],
        memory: Memory | None = None,
        looked_up: Callable[[int, int], None] = lambda known, unknown: None,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._pivots = tuple(pivots)
        self._memory = Memory(0) if memory is None else memory
        self._looked_up = looked_up

    def translate(self, source: str, target: str, texts: Sequence[str]) -> list[Outcome]:
        """An outcome for each text, in order; blocks while models compute.

        Texts in the wanted language come back as they are, and so do those without a letter or digit: Marian makes up
        words for a lone ``-``.

        Args:
            source: code or name of the texts' language.
            target: code or name of the language wanted.
            texts: of any content and length.
        """
        try:
            route = self._route(resolve(source).code, resolve(target).code)
        except UnknownLanguage as error:
            return [UnknownLanguageCode(str(error))] * len(texts)
        except TranslationError as error:
            return [error] * len(texts)
        outcomes: list[Outcome] = list(texts)
        for pair in route:
            self._step(pair, outcomes)
        return outcomes

    def _route(self, source: str, target: str) -> Route:
        pairs, advice = self._engine.pairs, self._engine.advice
        try:
            return find_route(source, target, pairs, self._pivots, advice)
        except HubUnreachable as unreachable:
            # There may be a better way; until the hub answers again, one over the models of this machine will do.
            try:
                return find_route(source, target, frozenset(pairs), self._pivots)
            except UnsupportedPair:
                raise unreachable from None

    def _step(self, pair: Pair, outcomes: list[Outcome]) -> None:
        """Replace each text in ``outcomes`` by its translation; what has failed before stays."""
        cleaned = {index: clean(text) for index, text in enumerate(outcomes) if isinstance(text, str)}
        spoken = {index: text for index, text in cleaned.items() if any(map(str.isalnum, text))}
        results = self._results(pair, list(dict.fromkeys(spoken.values()))) if spoken else {}
        for index, text in spoken.items():
            outcomes[index] = results[text]

    def _results(self, pair: Pair, texts: Sequence[str]) -> dict[str, Outcome]:
        """What becomes of each of these different texts: out of memory, or out of one call of the model."""
        results: dict[str, Outcome] = dict(self._memory.recall(pair, texts))
        unknown = [text for text in texts if text not in results]
        self._looked_up(len(results), len(unknown))
        if not unknown:
            return results
        try:
            with self._pool.lend(pair) as model:
                fresh = dict(zip(unknown, model.translate(unknown), strict=True))
        except TranslationError as error:
            fresh = dict.fromkeys(unknown, error)
        self._memory.keep(pair, {text: result for text, result in fresh.items() if isinstance(result, str)})
        return results | fresh


def clean(text: str) -> str:
    """The text on one line: control characters become spaces, and spaces single."""
    return " ".join("".join(" " if unicodedata.category(char) == "Cc" else char for char in text).split())
