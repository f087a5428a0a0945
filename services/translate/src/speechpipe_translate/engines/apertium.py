"""Apertium (rule-based, Debian packages, no weights): one kept chain of processes per pair."""

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Final

from speechpipe_common.languages import all_languages
from speechpipe_common.logs import get_logger
from speechpipe_translate.engines.apertium_pipe import ApertiumPipe, programs_of
from speechpipe_translate.engines.apertium_stream import NotAnAnswer, decode, encode
from speechpipe_translate.engines.base import Outcome
from speechpipe_translate.errors import EngineFailed, EngineUnavailable
from speechpipe_translate.routes import Pair

_INSTALL: Final = "install Debian's apertium and pairs such as apertium-eng-spa"
_MODE: Final = re.compile(r"[a-z]{2,3}-[a-z]{2,3}")
_LIST_TIMEOUT_SECONDS: Final = 30
_ATTEMPTS: Final = 2
_log = get_logger(__name__)


class ApertiumEngine:
    """The pairs of the Apertium data packages under ``datadir``.

    Args:
        datadir: where Debian puts them: ``/usr/share/apertium``.
        timeout: seconds that a text may take before its chain of programs is started anew.

    Raises:
        EngineUnavailable: Apertium or all data is missing.
    """

    def __init__(self, datadir: Path, timeout: float) -> None:
        self._modes_at = datadir / "modes"
        self._timeout = timeout
        self._modes = {pair: mode for pair, mode in modes_by_pair(_installed(datadir)).items() if self._runs(mode)}
        if not self._modes:
            raise EngineUnavailable(f"no Apertium pair is installed under {datadir}: {_INSTALL}")

    @property
    def pairs(self) -> frozenset[Pair]:
        """Pairs that have a mode."""
        return frozenset(self._modes)

    @property
    def advice(self) -> str:
        """Pairs are Debian packages."""
        return _INSTALL

    def _runs(self, mode: str) -> bool:
        """Whether all programs of a mode are there: some packages do not depend on what their modes call."""
        try:
            programs_of(self._modes_at / f"{mode}.mode")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            _log.warning("mode_left_out", mode=mode, reason=str(error))
            return False
        return True

    def load(self, pair: Pair) -> "ApertiumModel":
        """Look up the pair's chain; it starts with the first text."""
        mode = self._modes_at / f"{self._modes[pair]}.mode"
        try:
            return ApertiumModel(pair, programs_of(mode), self._timeout)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise EngineFailed(f"Apertium's mode {mode} cannot be run: {error}") from error


class ApertiumModel:
    """One pair's chain, started when first needed and again when it dies."""

    def __init__(self, pair: Pair, programs: Sequence[Sequence[str]], timeout: float) -> None:
        self._pair = pair
        self._programs = programs
        self._timeout = timeout
        self._pipe: ApertiumPipe | None = None
        self._next_mark = 0

    def translate(self, texts: Sequence[str]) -> list[Outcome]:
        """An outcome for each text; one on which the chain breaks twice is an ``EngineFailed``, the others are not."""
        outcomes: list[Outcome] = []
        attempts = 0
        while len(outcomes) < len(texts):
            rest = texts[len(outcomes) :]
            answers = self._exchange(rest)
            outcomes += answers
            if len(answers) == len(rest):
                break
            attempts = 1 if answers else attempts + 1
            if attempts == _ATTEMPTS:
                outcomes.append(EngineFailed(f"Apertium {self._pair} died or hung {_ATTEMPTS} times over this text"))
                attempts = 0
        return outcomes

    def _exchange(self, texts: Sequence[str]) -> list[str]:
        """Translations of the first texts; fewer than there are when the chain broke, which is closed then."""
        self._pipe = self._pipe or ApertiumPipe(self._programs)
        first = self._next_mark
        self._next_mark += len(texts)
        received = self._pipe.exchange([encode(text, first + index) for index, text in enumerate(texts)], self._timeout)
        answers: list[str] = []
        with contextlib.suppress(NotAnAnswer):
            for raw, text in zip(received, texts, strict=False):
                answers.append(decode(raw, text, first + len(answers)))
        if len(answers) < len(texts):
            _log.warning("apertium_restarted", pair=str(self._pair), answered=len(answers), asked=len(texts))
            self.close()
        return answers

    def close(self) -> None:
        """End the chain; the next text would start another."""
        if self._pipe:
            self._pipe.close()
            self._pipe = None


def modes_by_pair(modes: Iterable[str]) -> dict[Pair, str]:
    """Which mode translates each pair, of mode names such as ``eng-spa`` and ``es-pt``.

    Regional variants (``spa-eng_US``) and special ones (``eco-es-fr``) are left out. Of two modes for a pair, the one
    under the newer, three-letter codes is taken.
    """
    languages: dict[str, list[str]] = {}
    for language in all_languages():
        for code in language.apertium:
            languages.setdefault(code, []).append(language.code)
    found: dict[Pair, str] = {}
    for mode in sorted((mode for mode in modes if _MODE.fullmatch(mode)), key=lambda mode: (-len(mode), mode)):
        source, target = mode.split("-")
        for pair in product(languages.get(source, ()), languages.get(target, ())):
            found.setdefault(Pair(*pair), mode)
    return {pair: mode for pair, mode in found.items() if pair.source != pair.target}


def _installed(datadir: Path) -> list[str]:
    if not shutil.which("apertium") or not shutil.which("apertium-wblank-mode"):
        raise EngineUnavailable(f"the apertium command (3.8 or newer) is not installed: {_INSTALL}")
    listing = subprocess.run(  # noqa: S603 - a path as argument
        ["apertium", "-d", str(datadir), "-l"],  # noqa: S607 - found on the PATH, as its own programs will be
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIST_TIMEOUT_SECONDS,
    )
    return listing.stdout.split()
