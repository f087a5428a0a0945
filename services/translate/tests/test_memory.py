"""Sentences that were translated lately."""

from concurrent.futures import ThreadPoolExecutor

from speechpipe_translate.memory import LONGEST, Memory
from speechpipe_translate.routes import Pair

ES, FR = Pair("en", "es"), Pair("en", "fr")


def test_a_pairs_own_translations_are_recalled_to_the_letter() -> None:
    """A text is known in the pair in which it was kept, and only in exactly that form."""
    memory = Memory(8)
    memory.keep(ES, {"one": "uno", "two": "dos"})
    assert memory.recall(ES, ["two", "One", "one ", "three", "one"]) == {"two": "dos", "one": "uno"}
    assert memory.recall(FR, ["one"]) == {}


def test_the_least_recently_asked_go_first() -> None:
    """Beyond its size it forgets what was neither kept nor recalled for longest, whatever the pair."""
    memory = Memory(3)
    memory.keep(ES, {"one": "1", "two": "2"})
    memory.keep(FR, {"one": "I"})
    memory.recall(ES, ["one"])
    memory.keep(FR, {"two": "II"})
    assert memory.recall(ES, ["one", "two"]) == {"one": "1"}
    assert memory.recall(FR, ["one", "two"]) == {"one": "I", "two": "II"}
    assert len(memory) == 3


def test_memory_is_bounded() -> None:
    """A size of 0 keeps nothing, and a text or translation of more than 1000 characters is not kept."""
    nothing = Memory(0)
    nothing.keep(ES, {"one": "uno"})
    assert len(nothing) == 0
    memory = Memory(8)
    memory.keep(ES, {"x" * (LONGEST + 1): "y", "x": "y" * (LONGEST + 1), "x" * LONGEST: "y"})
    assert len(memory) == 1


def test_threads_share_it() -> None:
    """Threads that keep and recall at the same time find only what belongs to their text."""
    memory = Memory(50)

    def work(number: int) -> bool:
        texts = [f"{number} {part}" for part in range(20)]
        memory.keep(ES, {text: text.upper() for text in texts})
        return all(found == text.upper() for text, found in memory.recall(ES, texts).items())

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(work, range(200)))
    assert len(memory) == 50
