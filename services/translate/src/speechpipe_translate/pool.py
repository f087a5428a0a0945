"""Loaded models, at most so many and within so much memory; the least recently used go first."""

import gc
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from speechpipe_common.logs import get_logger
from speechpipe_translate.engines.base import Engine, Model
from speechpipe_translate.routes import Pair

_log = get_logger(__name__)


def resident_bytes() -> int:
    """Resident memory of this process and its descendants (Apertium's programs)."""
    process = psutil.Process()
    total = 0
    for member in (process, *process.children(recursive=True)):
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return int(total)


@dataclass(slots=True)
class _Loaded:
    lock: threading.Lock = field(default_factory=threading.Lock)
    model: Model | None = None
    users: int = 0


class ModelPool:
    """Models of one engine, loaded when first wanted. Safe to use from any thread.

    Args:
        engine: loads them.
        max_pairs: most models that stay loaded while nobody uses them.
        memory_limit: bytes that the process and its children may use; above it, idle models are freed.
        measure: reads that use; asked at most once in ``measure_every`` seconds, since it walks all processes.
        measure_every: seconds.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        max_pairs: int,
        memory_limit: int,
        measure: Callable[[], int] = resident_bytes,
        measure_every: float = 1.0,
    ) -> None:
        self._engine = engine
        self._max_pairs = max_pairs
        self._memory_limit = memory_limit
        self._measure = measure
        self._measure_every = measure_every
        self._measured_at = -measure_every
        self._lock = threading.Lock()
        self._loaded: OrderedDict[Pair, _Loaded] = OrderedDict()

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Pairs held, the least recently used first."""
        with self._lock:
            return tuple(self._loaded)

    @contextmanager
    def lend(self, pair: Pair) -> Iterator[Model]:
        """The pair's model, for this thread alone while the block runs.

        Raises:
            EngineFailed: it could not be loaded.
        """
        with self._lock:
            entry = self._loaded.setdefault(pair, _Loaded())
            self._loaded.move_to_end(pair)
            entry.users += 1
        try:
            with entry.lock:
                if entry.model is None:
                    began = time.monotonic()
                    entry.model = self._engine.load(pair)
                    _log.info("pair_loaded", pair=str(pair), seconds=round(time.monotonic() - began, 3))
                yield entry.model
        finally:
            with self._lock:
                entry.users -= 1
                if entry.model is None and entry.users == 0:
                    del self._loaded[pair]
            self._shrink()

    def close(self) -> None:
        """Free every model; nobody may be using one."""
        with self._lock:
            entries = list(self._loaded.values())
            self._loaded.clear()
        for entry in entries:
            if entry.model:
                entry.model.close()

    def _shrink(self) -> None:
        while len(self.pairs) > self._max_pairs and self._free_one("too_many"):
            pass
        now = time.monotonic()
        if now - self._measured_at < self._measure_every:
            return
        self._measured_at = now
        # The one used last stays: loading it again for each text would be worse than being over the limit.
        while (used := self._measure()) > self._memory_limit:
            if len(self.pairs) < 2 or not self._free_one("memory"):
                _log.warning("memory_over_limit", used_bytes=used, limit_bytes=self._memory_limit)
                return

    def _free_one(self, reason: str) -> bool:
        with self._lock:
            pair = next((pair for pair, entry in self._loaded.items() if entry.users == 0), None)
            entry = self._loaded.pop(pair) if pair else None
        if entry is None:
            return False
        if entry.model:
            entry.model.close()
        del entry
        gc.collect()
        _log.info("pair_freed", pair=str(pair), reason=reason)
        return True
