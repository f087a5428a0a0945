"""Finding a way from language to language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_translate.errors import UnsupportedPair
from speechpipe_translate.routes import Pair, find_route

SPANISH_HUB = frozenset(Pair(*text.split("-")) for text in ["en-es", "es-en", "fr-es", "es-fr", "es-it", "it-es"])


def route(source: str, target: str) -> list[str]:
    """The route through the Spanish hub, as strings."""
    return [str(pair) for pair in find_route(source, target, SPANISH_HUB, ("en", "es"))]


def test_a_direct_pair_is_taken() -> None:
    """Where a model translates directly, no pivot is used."""
    assert route("en", "es") == ["en-es"]


def test_the_same_language_needs_no_model() -> None:
    """A text that is in the wanted language already has an empty route."""
    assert route("de", "de") == []


def test_a_pivot_joins_two_pairs() -> None:
    """Without a direct model the way leads through a pivot that has both halves."""
    assert route("fr", "en") == ["fr-es", "es-en"]


def test_the_first_pivot_wins() -> None:
    """Of two ways through one pivot each, the pivot named first is used."""
    available = frozenset({Pair("fr", "en"), Pair("en", "it"), Pair("fr", "es"), Pair("es", "it")})
    assert find_route("fr", "it", available, ("en", "es"))[0].target == "en"
    assert find_route("fr", "it", available, ("es", "en"))[0].target == "es"


def test_two_pivots_are_a_last_resort() -> None:
    """When one pivot is not enough, two are used in the order that works."""
    available = frozenset({Pair("is", "en"), Pair("en", "es"), Pair("es", "pt")})
    assert [pair.target for pair in find_route("is", "pt", available, ("es", "en"))] == ["en", "es", "pt"]


def test_an_impossible_pair_is_refused_by_name() -> None:
    """The refusal names the pair, the pivots tried and what is installed, and is not to be tried again."""
    with pytest.raises(UnsupportedPair, match=r"cannot translate en to ja.*through en or es.*en-es, es-en") as caught:
        route("en", "ja")
    assert not caught.value.retry


CODES = st.sampled_from("abcdef")


@given(st.frozensets(st.builds(Pair, CODES, CODES)), CODES, CODES, st.lists(CODES, unique=True, max_size=3))
def test_a_route_is_a_chain_of_available_pairs(
    available: frozenset[Pair], source: str, target: str, pivots: list[str]
) -> None:
    """Whatever is installed, a route starts at the source, ends at the target, and visits no language twice."""
    try:
        found = find_route(source, target, available, pivots)
    except UnsupportedPair:
        assert source != target
        assert Pair(source, target) not in available
        return
    stations = [source, *(pair.target for pair in found)]
    assert stations[-1] == target
    assert len(set(stations)) == len(stations)
    assert set(found) <= available
    assert [pair.source for pair in found] == stations[:-1]
