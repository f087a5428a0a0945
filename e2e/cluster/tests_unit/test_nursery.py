"""Which pipeline a test gets, and which is made ahead: the tests of this file are the example."""

from pathlib import Path

import nursery
import pytest
from settings import Settings

pytestmark = pytest.mark.pipeline(spec=lambda settings: {"stt": {"replicas": 2}})


@pytest.fixture
def items(request: pytest.FixtureRequest) -> list[pytest.Item]:
    """All tests that run, this file's last."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    return [item for item in request.session.items if item not in here] + here


def place(items: list[pytest.Item], name: str) -> pytest.Item:
    """A test of this file."""
    return next(item for item in items if item.name == name and item.path == Path(__file__))


def test_each_test_has_a_name_and_a_spec_of_its_own(items: list[pytest.Item]) -> None:
    """Pipelines are numbered by file, and the mark that is nearest to a test says what it gets."""
    here = [item for item in items if item.path == Path(__file__)]
    names = [nursery.name_for(item, items) for item in here]
    assert names == [f"nursery-{number + 1}" for number in range(len(here))]
    (first, second) = (place(items, name) for name in ("test_one_of_two", "test_other_of_two"))
    assert nursery.wanted(first, Settings()) == {"stt": {"replicas": 2}}
    assert nursery.wanted(second, Settings()) == {"stt": {"replicas": 3}}


def test_one_of_two(items: list[pytest.Item]) -> None:
    """The test that comes next may have its pipeline made while this one runs, unless its mark says no."""
    (first, second) = (place(items, name) for name in ("test_one_of_two", "test_other_of_two"))
    assert nursery.following(first, items) is second
    assert [nursery.may_be_early(first), nursery.may_be_early(second)] == [True, False]


@pytest.mark.pipeline(spec=lambda settings: {"stt": {"replicas": 3}}, ahead=False)
def test_other_of_two(items: list[pytest.Item]) -> None:
    """After the last test comes none."""
    assert nursery.following(items[-1], items) is None
