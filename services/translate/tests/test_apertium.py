"""The Apertium engine on Debian's real packages."""

from pathlib import Path

import psutil
import pytest

from speechpipe_translate.engines.apertium import ApertiumEngine, ApertiumModel, modes_by_pair
from speechpipe_translate.engines.apertium_pipe import ApertiumPipe, programs_of
from speechpipe_translate.errors import EngineFailed, EngineUnavailable
from speechpipe_translate.pool import ModelPool
from speechpipe_translate.routes import Pair
from speechpipe_translate.translator import Translator

DATADIR = Path("/usr/share/apertium")
TIMEOUT = 20.0
SENTENCES = {
    "I saw the house.": "Vi la casa.",
    "I saw the house": "Vi la casa",
    "hello world": "hola Mundo",
    "a [b] ^c$ {d} @e # f/g \\ ~ <h> *i": "un [b] ^c$ {d} @e # f/g \\ ~ <h> *i",
    "[[t:b:123]]": "[[t:b:123]]",
    "xyzzyq house": "xyzzyq Casa",
    "¿qué? … 😀": "¿qué? … 😀",
}
"""English to Spanish as Apertium 3.8.3 with apertium-eng-spa 0.8.1 says it."""


@pytest.fixture(scope="module")
def engine() -> ApertiumEngine:
    """The engine over what is installed."""
    return ApertiumEngine(DATADIR, TIMEOUT)


@pytest.fixture
def model(engine: ApertiumEngine):
    """English to Spanish, closed afterwards."""
    loaded = engine.load(Pair("en", "es"))
    yield loaded
    loaded.close()


def chain_of(model: ApertiumModel) -> list[psutil.Process]:
    """The running programs of a model, the first of the chain first."""
    assert model._pipe is not None
    return [psutil.Process(pid) for pid in model._pipe.pids]


def test_installed_pairs_are_found(engine: ApertiumEngine) -> None:
    """The engine offers the pairs of the installed packages, under our language codes."""
    assert {Pair("en", "es"), Pair("es", "en"), Pair("fr", "es"), Pair("es", "it"), Pair("pt", "es")} <= engine.pairs


def test_modes_become_pairs() -> None:
    """Regional and special modes are left out, longer codes preferred, and one mode may serve several languages."""
    modes = ["en-es", "eng-spa", "eng-spa_US", "eco-es-fr", "es-pt_BR", "xx-es", "eng-hbs"]
    found = {str(pair): mode for pair, mode in modes_by_pair(modes).items()}
    assert found == {"en-es": "eng-spa", **dict.fromkeys(["en-hr", "en-sr", "en-bs", "en-sh"], "eng-hbs")}


def test_a_batch_is_translated_in_order(model: ApertiumModel) -> None:
    """Each text of a batch gets its own translation, special characters unharmed and unknown words unmarked."""
    outcomes = model.translate(list(SENTENCES))
    assert [str(outcome).lower() for outcome in outcomes] == [text.lower() for text in SENTENCES.values()]


def test_one_chain_serves_many_batches(model: ApertiumModel) -> None:
    """The programs stay the same from batch to batch."""
    model.translate(["one"])
    before = [process.pid for process in chain_of(model)]
    assert model.translate(["Two houses."]) == ["Dos casas."]
    assert [process.pid for process in chain_of(model)] == before


def test_a_batch_larger_than_the_pipes_is_exchanged() -> None:
    """Far more text than the system's pipe buffers hold passes through a chain without a deadlock, whole."""
    pipe = ApertiumPipe([["cat"], ["cat"]])
    texts = [b"%d" % number * 1000 + b"\0" for number in range(2000)]
    assert b"\0".join(pipe.exchange(texts, TIMEOUT)) + b"\0" == b"".join(texts)
    pipe.close()


@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_killed_program_is_restarted(model: ApertiumModel, position: int) -> None:
    """When a program of the chain is killed, the next batch starts a new chain and is answered in full."""
    model.translate(["one"])
    victim = chain_of(model)[position]
    victim.kill()
    victim.wait()
    assert model.translate(["I saw the house.", "Two houses."]) == ["Vi la casa.", "Dos casas."]


def test_a_hung_program_is_restarted(engine: ApertiumEngine) -> None:
    """When a program of the chain stops answering, its chain is replaced after the timeout and the batch answered."""
    model = ApertiumEngine(DATADIR, timeout=1.0).load(Pair("en", "es"))
    model.translate(["one"])
    stopped = chain_of(model)
    for process in stopped:
        process.suspend()
    assert model.translate(["Two houses."]) == ["Dos casas."]
    assert not any(process.is_running() and process.status() == psutil.STATUS_STOPPED for process in stopped)
    model.close()


def test_a_text_that_breaks_the_chain_fails_alone() -> None:
    """A text on which the chain dies each time becomes an error; those around it in the batch are translated."""
    loop = "while read -r -d '' t; do [[ $t != die* ]] || exit; printf '%s\\0' \"$t\"; done"
    poisoned = ApertiumModel(Pair("en", "es"), [["bash", "-c", loop]], TIMEOUT)
    before, poison, after = poisoned.translate(["before", "die", "after"])
    poisoned.close()
    assert (before, after) == ("before", "after")
    assert isinstance(poison, EngineFailed)
    assert "die" not in str(poison).split()


def test_closing_ends_every_program(model: ApertiumModel) -> None:
    """After close no program of the chain is left, not even as a zombie."""
    model.translate(["one"])
    programs = chain_of(model)
    model.close()
    assert len(programs) > 5
    assert [process for process in programs if process.is_running()] == []


def test_programs_end_with_their_worker(model: ApertiumModel) -> None:
    """A chain whose writer is gone ends by itself, so a killed worker leaves nothing behind."""
    model.translate(["one"])
    model._pipe._chain[0].stdin.close()
    for process in model._pipe._chain:
        assert process.wait(timeout=TIMEOUT) == 0


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("lt-proc a.bin; rm b", "';'"),
        ("lt-proc a.bin $3", "'\\$3'"),
        ("lt-proc `ls` | no-such-program x", "no-such-program"),
        ("lt-proc a.bin |", "is not installed"),
    ],
)
def test_a_mode_that_is_no_plain_pipe_is_refused(tmp_path: Path, mode: str, reason: str) -> None:
    """A mode file with more in it than installed programs and pipes is refused, naming what it has."""
    path = tmp_path / "eng-spa.mode"
    path.write_text(mode)
    with pytest.raises((ValueError, OSError), match=reason):
        programs_of(path)


def test_french_reaches_english_through_spanish(engine: ApertiumEngine) -> None:
    """A pair without data of its own is translated through a pivot."""
    pool = ModelPool(engine, max_pairs=4, memory_limit=1 << 40)
    outcomes = Translator(engine, pool, ("en", "es")).translate("fr", "en", ["La maison est grande."])
    pool.close()
    assert outcomes == ["The house is big."]


def test_missing_data_is_told_at_start(tmp_path: Path) -> None:
    """Without a single pair the engine refuses to open, naming the folder and what to install."""
    with pytest.raises(EngineUnavailable, match=f"{tmp_path}.*apertium-eng-spa"):
        ApertiumEngine(tmp_path, TIMEOUT)


def test_a_missing_program_is_told_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the apertium command the engine refuses to open, saying so."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EngineUnavailable, match="not installed"):
        ApertiumEngine(DATADIR, TIMEOUT)
