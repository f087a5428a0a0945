"""The models of a neural engine, wherever they are: in MODEL_DIR, in a cache, or on the hub."""

from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from speechpipe_translate.engines.hub import Hub
from speechpipe_translate.routes import Pair


class Models(Collection[Pair]):
    """Pairs with a folder here, and those that the hub has: ``in`` asks it, iteration does not.

    Args:
        local: folders that can be loaded as they are.
        hub: asked for what they lack; None: nothing is fetched.
        prepare: makes a folder that can be loaded of the hub's.
    """

    def __init__(self, local: Mapping[Pair, Path], hub: Hub | None, prepare: Callable[[Pair, Path], Path]) -> None:
        self._folders = dict(local)
        self._hub = hub
        self._prepare = prepare

    def __contains__(self, pair: object) -> bool:
        return isinstance(pair, Pair) and (pair in self._folders or bool(self._hub and self._hub.offers(pair)))

    def __iter__(self) -> Iterator[Pair]:
        return iter(frozenset(self._folders) | (self._hub.cached if self._hub else frozenset()))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def folder(self, pair: Pair) -> Path:
        """The folder of one of these pairs, fetched and prepared first when need be.

        Raises:
            HubUnreachable: it could not be fetched.
            EngineFailed: it is damaged, or cannot be prepared.
        """
        if pair in self._folders or self._hub is None:
            return self._folders[pair]
        folder = self._prepare(pair, self._hub.fetch(pair))
        self._folders[pair] = folder
        return folder
