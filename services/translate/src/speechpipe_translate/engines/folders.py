"""OPUS-MT models as folders on disk, named as where they are published: ``<family>-<source>-<target>``."""

from pathlib import Path

from speechpipe_common.languages import all_languages
from speechpipe_translate.errors import EngineUnavailable
from speechpipe_translate.routes import Pair


def find_models(model_dir: Path, family: str, needed: tuple[str, ...]) -> dict[Pair, Path]:
    """Folders of ``model_dir`` by the pair that they translate.

    Args:
        model_dir: the folder that holds them.
        family: beginning of their names, such as ``opus-mt``.
        needed: files that a folder must have to count.

    Raises:
        EngineUnavailable: there is none.
    """
    codes: dict[str, str] = {}
    for language in all_languages():
        for code in language.opus:
            codes.setdefault(code, language.code)
    found: dict[Pair, Path] = {}
    for folder in sorted(model_dir.glob(f"{family}-*-*")):
        source, _, target = folder.name.removeprefix(f"{family}-").partition("-")
        if source in codes and target in codes and all((folder / name).is_file() for name in needed):
            found[Pair(codes[source], codes[target])] = folder
    if not found:
        raise EngineUnavailable(
            f"MODEL_DIR={model_dir} has no folder named like {family}-en-es with the files {', '.join(needed)}"
        )
    return found
