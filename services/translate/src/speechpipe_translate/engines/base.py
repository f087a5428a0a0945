"""What an engine is: it knows its pairs, and loads a model that translates batches of one pair."""

from collections.abc import Collection, Sequence
from typing import Protocol

from speechpipe_translate.errors import TranslationError
from speechpipe_translate.routes import Pair

Outcome = str | TranslationError
"""A translation, or why this one text has none."""


class Model(Protocol):
    """One pair, loaded. Calls come from one thread at a time."""

    def translate(self, texts: Sequence[str]) -> list[Outcome]:
        """An outcome for each text, in order; texts are not empty, have no control characters and single spaces."""
        ...

    def close(self) -> None:
        """Free what the model holds; it is not used afterwards."""
        ...


class Engine(Protocol):
    """A way of translating, with the models that it has or can get."""

    @property
    def pairs(self) -> Collection[Pair]:
        """Pairs that ``load`` can load: to iterate is to see those on this machine, ``in`` may ask a hub besides.

        So ``in`` may take seconds, and raise ``HubUnreachable``.
        """
        ...

    @property
    def advice(self) -> str:
        """What to do about a pair that is not among them; ends a refusal."""
        ...

    def load(self, pair: Pair) -> Model:
        """Load the model of one of ``pairs``.

        Raises:
            EngineFailed: it could not be loaded this time.
            HubUnreachable: it could not be fetched this time.
        """
        ...
