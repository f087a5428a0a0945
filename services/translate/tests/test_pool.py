"""The pool of loaded models."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.errors import EngineFailed
from speechpipe_translate.pool import ModelPool, resident_bytes
from speechpipe_translate.routes import Pair

A, B, C = Pair("a", "x"), Pair("b", "x"), Pair("c", "x")


class Counting:
    """An engine whose models weigh one byte each while they are open."""

    pairs = frozenset({A, B, C})

    def __init__(self) -> None:
        self.loads: list[Pair] = []
        self.open = 0
        self.fail = False

    def load(self, pair: Pair) -> "CountingModel":
        """One more model that is open."""
        self.loads.append(pair)
        if self.fail:
            raise EngineFailed("no")
        self.open += 1
        return CountingModel(self)


class CountingModel:
    """A model that may be closed once, and not be used after that."""

    def __init__(self, engine: Counting) -> None:
        self._engine = engine
        self._closed = False

    def translate(self, texts: Sequence[str]) -> list[Outcome]:
        """The texts themselves."""
        assert not self._closed
        return list(texts)

    def close(self) -> None:
        """One model less."""
        assert not self._closed
        self._closed = True
        self._engine.open -= 1


def pool_of(engine: Counting, max_pairs: int = 2, memory_limit: int = 1000) -> ModelPool:
    """A pool that measures at each return, in models."""
    return ModelPool(
        engine, max_pairs=max_pairs, memory_limit=memory_limit, measure=lambda: engine.open, measure_every=0
    )


def use(pool: ModelPool, *pairs: Pair) -> None:
    """Borrow and use the pairs' models, one after the other."""
    for pair in pairs:
        with pool.lend(pair) as model:
            model.translate(["text"])


def test_a_model_is_loaded_once() -> None:
    """A pair that stays within the limits is loaded at its first use only."""
    engine = Counting()
    use(pool_of(engine), A, B, A, B)
    assert engine.loads == [A, B]


def test_the_least_recently_used_pair_goes_first() -> None:
    """Over the limit on pairs, the one that was not used for longest is closed."""
    engine = Counting()
    pool = pool_of(engine)
    use(pool, A, B, A, C)
    assert pool.pairs == (A, C)
    assert engine.open == 2


def test_memory_over_its_limit_frees_idle_pairs_but_the_last() -> None:
    """Pairs are closed until memory is within its limit again; the pair used last stays even above it."""
    engine = Counting()
    pool = pool_of(engine, max_pairs=3, memory_limit=1)
    use(pool, A, B)
    assert pool.pairs == (B,)
    pool = pool_of(engine, max_pairs=3, memory_limit=0)
    use(pool, C)
    assert pool.pairs == (C,)


def test_a_model_in_use_is_not_closed() -> None:
    """However tight the limits, a lent model stays open until it is given back."""
    engine = Counting()
    pool = pool_of(engine, max_pairs=1, memory_limit=0)
    with pool.lend(A) as model:
        use(pool, B, C)
        assert model.translate(["still here"]) == ["still here"]
        assert A in pool.pairs
    assert len(pool.pairs) == 1


def test_a_failed_load_is_tried_again() -> None:
    """A model that could not be loaded is not remembered as loaded."""
    engine = Counting()
    pool = pool_of(engine)
    engine.fail = True
    with pytest.raises(EngineFailed), pool.lend(A):
        pass
    assert pool.pairs == ()
    engine.fail = False
    use(pool, A)
    assert engine.loads == [A, A]


def test_threads_take_turns_at_one_model() -> None:
    """Two threads that want the same pair get one model, one after the other."""
    engine = Counting()
    pool = pool_of(engine)
    inside = threading.Lock()

    def work(_: int) -> bool:
        with pool.lend(A):
            alone = inside.acquire(blocking=False)
            inside.release()
            return alone

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(200)))
    assert engine.loads == [A]


def test_threads_and_evictions_do_not_meet() -> None:
    """Threads that use more pairs than may stay never see a closed model, and all models are closed in the end."""
    engine = Counting()
    pool = pool_of(engine, max_pairs=1)
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(use, pool, (A, B, C)[number % 3]) for number in range(60)]:
            done.result()
    pool.close()
    assert engine.open == 0


def test_memory_is_measured() -> None:
    """The real measure gives this process's memory: more than a megabyte, less than a terabyte."""
    assert 1 << 20 < resident_bytes() < 1 << 40
