"""OPUS-MT models by name: ``<family>-<source>-<target>``, for folders here as for repositories of the hub."""

from collections.abc import Iterator
from functools import cache
from itertools import product
from pathlib import Path

from speechpipe_common.languages import all_languages, resolve
from speechpipe_translate.routes import Pair


def find_models(model_dir: Path, family: str, needed: tuple[str, ...]) -> dict[Pair, Path]:
    """Folders of ``model_dir`` by the pair that they translate.

    Args:
        model_dir: the folder that holds them.
        family: beginning of their names, such as ``opus-mt``.
        needed: files that a folder must have to count.
    """
    found: dict[Pair, Path] = {}
    for folder in sorted(model_dir.glob(f"{family}-*-*")):
        pair = pair_of(folder.name, family)
        if pair and all((folder / name).is_file() for name in needed):
            found[pair] = folder
    return found


def pair_of(name: str, family: str) -> Pair | None:
    """The pair that a model of this name translates; None for names of another shape, and unknown languages."""
    codes = _by_opus_code()
    source, _, target = name.removeprefix(f"{family}-").partition("-")
    if source not in codes or target not in codes:
        return None
    return Pair(codes[source], codes[target])


def names_of(pair: Pair, family: str) -> Iterator[str]:
    """Names that a model of the pair may have, the usual one first."""
    for source, target in product(resolve(pair.source).opus, resolve(pair.target).opus):
        yield f"{family}-{source}-{target}"


def nothing_in(model_dir: Path, family: str, needed: tuple[str, ...], advice: str) -> str:
    """What to say where there is no model at all."""
    return f"MODEL_DIR={model_dir} has no folder named like {family}-en-es with the files {', '.join(needed)}; {advice}"


@cache
def _by_opus_code() -> dict[str, str]:
    codes: dict[str, str] = {}
    for language in all_languages():
        for code in language.opus:
            codes.setdefault(code, language.code)
    return codes
