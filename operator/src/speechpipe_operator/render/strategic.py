"""Strategic merge of a pod template: lists whose entries have a key are merged entry by entry, all others replaced.

Which lists those are, ``merge_keys.json`` says; it is made from the API server's own description (OpenAPI), and a test
compares the two. Directives: ``$patch: delete`` removes an entry or a mapping, ``$patch: replace`` takes the patch's
in its place; null removes a field. Source:
https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from speechpipe_operator.objects import Object

DIRECTIVE: Final = "$patch"
DELETE: Final = "delete"
REPLACE: Final = "replace"


class MergeError(ValueError):
    """The patch does not fit; ``place`` says where in it."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(f"{place}: {message}")
        self.place = place
        self.message = message


@dataclass(frozen=True, slots=True)
class ListKeys:
    """How a list is merged."""

    keys: tuple[str, ...]
    defaults: Mapping[str, Any]
    retain: bool
    """An entry keeps only the fields that its patch names: one source of a volume excludes the others."""

    def key_of(self, entry: Object) -> tuple[Any, ...]:
        """What tells an entry from the others."""
        return tuple(entry.get(key, self.defaults.get(key)) for key in self.keys)


@cache
def merge_keys() -> dict[str, ListKeys]:
    """Lists of a pod template that are merged, by path (``spec.containers.env``)."""
    table = json.loads(files(__package__).joinpath("merge_keys.json").read_text())
    return {path: _list_keys(path, entry) for path, entry in table.items()}


def strategic_merge(base: Object, patch: Object, place: str) -> Object:
    """``base`` (a pod template) with ``patch`` over it, as a new value; ``place`` is what errors call the patch.

    Raises:
        MergeError: the patch has another shape, an entry lacks its key or repeats one, or a directive is unknown.
    """
    return _mapping(copy.deepcopy(base), patch, "", place)


def _list_keys(path: str, entry: Mapping[str, Any]) -> ListKeys:
    # A variable has a value or a source of one, which the API's description does not say.
    retain = entry.get("retainKeys", False) or path.endswith(".env")
    return ListKeys(tuple(entry["keys"]), entry.get("defaults", {}), retain)


def _mapping(base: Object, patch: Object, path: str, place: str) -> Object:
    merged = {} if _directive(patch, place) == REPLACE else base
    for name, value in patch.items():
        here = f"{place}.{name}"
        if name == DIRECTIVE:
            continue
        if name.startswith("$"):
            raise MergeError(here, f"only {DIRECTIVE} is understood among the directives of a strategic merge")
        if value is None or (isinstance(value, dict) and _directive(value, here) == DELETE):
            merged.pop(name, None)
        else:
            merged[name] = _value(merged.get(name), value, f"{path}.{name}" if path else name, here)
    return merged


def _value(base: Any, value: Any, path: str, place: str) -> Any:  # noqa: ANN401 - JSON
    if isinstance(base, list) or path in merge_keys():
        if not isinstance(value, list):
            raise MergeError(place, f"a list is needed, not {_kind(value)}")
    elif isinstance(base, dict) and not isinstance(value, dict):
        raise MergeError(place, f"a mapping is needed, not {_kind(value)}")
    elif base is not None and not isinstance(base, dict) and isinstance(value, dict | list):
        raise MergeError(place, f"a single value is needed, not {_kind(value)}")
    if isinstance(value, dict):
        return _mapping(base or {}, value, path, place)
    if isinstance(value, list) and path in merge_keys():
        return _keyed_list(base or [], value, path, place)
    return copy.deepcopy(value)


def _keyed_list(base: list[Object], patch: list[Any], path: str, place: str) -> list[Object]:
    how = merge_keys()[path]
    merged = {how.key_of(entry): entry for entry in base}
    seen = set()
    for index, entry in enumerate(patch):
        here = f"{place}[{index}]"
        if not isinstance(entry, dict):
            raise MergeError(here, f"a mapping is needed, not {_kind(entry)}")
        directive = _directive(entry, here)
        if entry == {DIRECTIVE: REPLACE}:
            merged = {key: value for key, value in merged.items() if key in seen}
            continue
        key = how.key_of(entry)
        for name, part in zip(how.keys, key, strict=True):
            if not isinstance(part, str | int):
                raise MergeError(here, f"{name} is missing, which tells the entries apart")
        if key in seen:
            raise MergeError(here, f"{' '.join(map(str, key))} stands here twice")
        seen.add(key)
        if directive == DELETE:
            merged.pop(key, None)
        else:
            merged[key] = _mapping(_kept(merged.get(key, {}), entry, how), entry, path, here)
    return list(merged.values())


def _kept(base: Object, patch: Object, how: ListKeys) -> Object:
    return {name: value for name, value in base.items() if name in patch} if how.retain else base


def _directive(value: Object, place: str) -> str | None:
    found = value.get(DIRECTIVE)
    if found not in (None, DELETE, REPLACE, "merge"):
        raise MergeError(f"{place}.{DIRECTIVE}", f"{found!r} is no directive; allowed: delete, merge, replace")
    return found


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else repr(value)
