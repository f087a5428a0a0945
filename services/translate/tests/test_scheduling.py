"""What is translated next."""

import msgspec

from speechpipe_common.messages import TextJob
from speechpipe_common.scheduling import PARTIALS_SECONDS, Pace
from speechpipe_translate.scheduling import Waiting, choose, stale, work

FINAL = TextJob(client="c", segment=160, rev=3, final=True, text="hello", source="en", target="es", submitted_at=100)
PARTIAL = msgspec.structs.replace(FINAL, final=False, expires_at=105)
QUICK = Pace(1e-9)


def waiting(job: TextJob = FINAL, due: float = 0.0, **changes: object) -> Waiting:
    """A job with other fields that came at ``due``."""
    return Waiting(msgspec.structs.replace(job, **changes), due)


def test_nothing_waits_nothing_is_chosen() -> None:
    """Without jobs there is no call."""
    assert choose([], (), 4, QUICK) == []


def test_one_direction_goes_together_up_to_the_most() -> None:
    """A call has jobs of one direction, that of the oldest, and no more than the most; whoever they are from."""
    first = waiting(due=1, client="a")
    fitting = [waiting(due=2 + number, client=str(number)) for number in range(4)]
    others = [waiting(due=1.5, client="x", target="fr"), waiting(due=1.5, client="y", source="de")]
    assert choose([*others, *fitting, first], (), 3, QUICK) == [first, *fitting[:2]]


def test_finals_come_before_partials() -> None:
    """However old a partial is, a final of any direction goes first, and no partial rides along."""
    old, new = waiting(PARTIAL, due=1), waiting(due=9, target="fr")
    assert choose([old, waiting(PARTIAL, due=2, target="fr"), new], (), 4, QUICK) == [new]


def test_a_busy_direction_waits_and_others_do_not() -> None:
    """While a direction is translated its jobs wait; a partial of a free one may go meanwhile."""
    busy, free = waiting(due=1), waiting(PARTIAL, due=2, target="fr")
    assert choose([busy, free], [("en", "es")], 4, QUICK) == [free]
    assert choose([busy], [("en", "es")], 4, QUICK) == []


def test_every_client_first_before_any_clients_second() -> None:
    """A client with many jobs does not keep the others waiting."""
    greedy = [waiting(due=number, segment=number) for number in range(5)]
    modest = waiting(due=100, client="modest")
    assert choose([*greedy, modest], (), 2, QUICK) == [greedy[0], modest]


def test_a_call_of_partials_is_kept_short() -> None:
    """Partials are taken until the call is predicted to last longer than a final should wait; one is always taken."""
    partials = [waiting(PARTIAL, due=number, segment=number) for number in range(9)]
    three = Pace(PARTIALS_SECONDS / work(partials[:3]) * 0.999)
    assert choose(partials, (), 9, three) == partials[:3]
    assert choose(partials, (), 9, Pace(1e9)) == partials[:1]
    finals = [waiting(due=number, segment=number) for number in range(9)]
    assert choose(finals, (), 9, Pace(1e9)) == finals


def test_the_pace_follows_the_model() -> None:
    """What calls took is what the next is predicted to take, whatever was thought at first."""
    pace = Pace(100.0)
    for _ in range(60):
        pace.learn(10, 0.5)
    assert abs(pace.predict(20) - 1.0) < 0.01


def test_a_partial_is_wanted_until_it_expires() -> None:
    """A partial is stale from its expiry on; without an expiry it is translated."""
    assert stale(PARTIAL, [PARTIAL], now=104.9) is None
    assert stale(PARTIAL, [PARTIAL], now=105) == "expired"
    assert stale(msgspec.structs.replace(PARTIAL, expires_at=None), [], now=1e9) is None


def test_a_newer_partial_or_the_final_overtakes() -> None:
    """A newer partial of the segment and language, or its final, makes a partial stale; others do not."""

    def changed(**changes: object) -> TextJob:
        return msgspec.structs.replace(PARTIAL, **changes)

    assert stale(PARTIAL, [PARTIAL, changed(rev=4)], now=100) == "overtaken"
    assert stale(PARTIAL, [PARTIAL, FINAL], now=100) == "overtaken"
    for other in (changed(rev=4, segment=9), changed(rev=4, target="fr"), changed(rev=4, client="d"), changed(rev=2)):
        assert stale(PARTIAL, [PARTIAL, other], now=100) is None


def test_a_final_is_always_wanted() -> None:
    """No expiry and no newer revision makes a final stale."""
    final = msgspec.structs.replace(FINAL, expires_at=1.0)
    assert stale(final, [final, msgspec.structs.replace(final, rev=9)], now=1e9) is None
