"""Which Redis holds a client, and how addresses and tokens are read."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_common.settings import WorkerSettings
from speechpipe_common.shards import MOST_SHARDS, addresses, pinned, place, repeated, shard_of

CLIENTS = [f"client-{number}" for number in range(20_000)]
PLACES = [13, 6, 8, 11, 2]


@pytest.mark.parametrize("count", [2, 3, 16])
def test_clients_are_spread_evenly(count: int):
    """Each shard gets its share of the clients, to within five standard deviations of chance."""
    found = Counter(place(client, range(count)) for client in CLIENTS)
    share = len(CLIENTS) / count
    assert set(found) == set(range(count))
    assert all(abs(held - share) < 5 * share**0.5 for held in found.values()), found


@given(st.text(), st.integers(1, MOST_SHARDS - 1))
def test_a_shard_that_is_added_takes_clients_and_moves_no_others(client: str, count: int):
    """With one shard more, a client stays where it was or goes to the new one."""
    assert place(client, range(count + 1)) in (place(client, range(count)), count)


@given(st.text(), st.sets(st.integers(0, MOST_SHARDS - 1), min_size=2))
def test_a_shard_that_is_away_moves_only_its_own_clients(client: str, shards: set[int]):
    """Without one of the shards, only its clients are placed anew, and the order of the shards is all the same."""
    here = place(client, sorted(shards, reverse=True))
    for gone in shards - {here}:
        assert place(client, shards - {gone}) == here


def test_places_are_the_same_on_every_machine():
    """The hash is written down: gateways of two releases must agree."""
    assert [place(client, range(16)) for client in ("a", "b", "c", "d", "e")] == PLACES


@pytest.mark.parametrize("shard", range(MOST_SHARDS))
def test_a_token_names_its_shard(shard: int):
    """What is pinned is read back; a token of the first shard is the secret itself, as it was before shards."""
    assert shard_of(pinned(shard, "s3_cr-et")) == shard
    assert pinned(0, "s3_cr-et") == "s3_cr-et"


@pytest.mark.parametrize("token", ["", "secret", "0.secret", "-1.secret", "01.secret", "100.secret", ".", "x.secret"])
def test_a_strange_token_is_looked_for_on_the_first_shard(token: str):
    """Whatever a client makes up names one shard, where it is refused."""
    assert shard_of(token) == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("redis://a", ("redis://a",)),
        ("redis://:pass,word@a:1/0", ("redis://:pass,word@a:1/0",)),
        ("redis://a,rediss://:p,w@b:2", ("redis://a", "rediss://:p,w@b:2")),
        (" redis://a ,\n redis://b\n", ("redis://a", "redis://b")),
        ("redis://a\nredis://b\n", ("redis://a", "redis://b")),
        ("redis://a,", ("redis://a",)),
        ("", ()),
    ],
)
def test_addresses_are_read_as_they_are_written(text: str, found: tuple[str, ...]):
    """Commas and line ends part addresses, and a comma in a password does not."""
    assert addresses(text) == found


@pytest.mark.parametrize(
    ("urls", "again"),
    [
        (["redis://a", "redis://b"], ""),
        (["redis://a/0", "redis://a/1"], ""),
        (["redis://a", "redis://:secret@a:6379/0"], "a:6379/0"),
        (["unix:///x", "unix:///x"], "/x"),
    ],
)
def test_a_server_that_is_named_twice_is_found(urls: list[str], again: str):
    """Two names of one server would be two shards that share all their keys."""
    assert repeated(urls) == again


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("redis://a,http://b", "begins with redis://"),
        ("redis://a,redis://:secret@a:6379", "a:6379/0 is named twice"),
        (",".join(f"redis://h{n}" for n in range(17)), "one to 16"),
    ],
)
def test_settings_refuse_wrong_lists(value: str, complaint: str):
    """Each address of a list is checked, and no password is in the complaint."""
    with pytest.raises(ValueError, match=complaint) as refusal:
        WorkerSettings(redis_url=value)
    assert "secret" not in str(refusal.value)


def test_settings_give_the_addresses_in_order():
    """One address is one shard, as ever."""
    assert WorkerSettings(redis_url="redis://a").redis_urls == ("redis://a",)
    assert WorkerSettings(redis_url="redis://b, redis://a").redis_urls == ("redis://b", "redis://a")
