"""A pipeline for each test, on a volume that nobody has used, made while the test before it runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import turns
from kubectl import Json, apply
from pipelines import Pipeline, claim, document
from settings import Settings
from volumes import Volumes

MARK = "pipeline"
"""Marks tests that want one: ``pipeline(spec=..., ahead=True)``, where ``spec`` makes of the settings what the spec
says besides ``pipelines.document``, and ``ahead`` lets it be made while another test runs.
"""

Spec = Callable[[Settings], Json]


@dataclass
class Nursery:
    """Makes pipelines ahead of the tests that want them.

    Args:
        settings: images.
        volumes: made on ``node``.
        node: of every volume.
        spaces: namespaces by file of tests.
        items: all tests, in their order.
    """

    settings: Settings
    volumes: Volumes
    node: str
    spaces: dict[str, str]
    items: Sequence[pytest.Item]
    _begun: dict[str, Pipeline] = field(default_factory=dict)

    def begin(self, item: pytest.Item) -> Pipeline:
        """Make the pipeline of a test, on an empty volume, unless that has begun; it is not waited for."""
        if item.nodeid not in self._begun:
            name, namespace = name_for(item, self.items), self.spaces[item.path.stem]
            self.volumes.make(namespace, claim(name), self.node)
            apply(document(name, namespace, self.settings, self.volumes.storage_class, **wanted(item, self.settings)))
            self._begun[item.nodeid] = Pipeline(name, namespace)
        return self._begun[item.nodeid]

    def take(self, item: pytest.Item) -> Pipeline:
        """The pipeline of a test, whole; that of the test after it is begun, unless this one takes nodes away."""
        mine = self.begin(item)
        mine.until_healthy()
        follows = following(item, self.items)
        if follows is not None and may_be_early(follows) and not item.get_closest_marker(turns.MARK):
            self.begin(follows)
        return mine


def wanted(item: pytest.Item, settings: Settings) -> Json:
    """What the spec of a test's pipeline says, besides what all say."""
    mark = item.get_closest_marker(MARK)
    assert mark is not None, f"{item.nodeid} wants a pipeline, and says no pytest.mark.{MARK}"
    spec: Spec | None = mark.kwargs.get("spec")
    return spec(settings) if spec else {}


def may_be_early(item: pytest.Item) -> bool:
    """Whether a test wants a pipeline that may be made while another test runs."""
    mark = item.get_closest_marker(MARK)
    return mark is not None and bool(mark.kwargs.get("ahead", True))


def following(item: pytest.Item, items: Sequence[pytest.Item]) -> pytest.Item | None:
    """The test that comes after one."""
    place = items.index(item) + 1
    return items[place] if place < len(items) else None


def name_for(item: pytest.Item, items: Sequence[pytest.Item]) -> str:
    """What a test's pipeline is called: as its file, with the test's number in it."""
    file: Path = item.path
    number = [other.nodeid for other in items if other.path == file].index(item.nodeid) + 1
    return f"{file.stem.removeprefix('test_').replace('_', '-')}-{number}"
