"""Who is there, told from heartbeats; time is the tests'."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from clones.omega.roll_call import (
    DEAD_S,
    FORGET_S,
    GRACE_S,
    MOST,
    MOST_OF_ONE,
    SUSPECT_S,
    RollCall,
    may_follow,
    what_waits,
)
from clones.routing import DEFAULT_TABLE
from schemas import Heartbeat, InstanceChanged, Route, RoutingTable, State

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def beat(instance: str = "beta-1", state: State = "ready", at_s: float = 0.0) -> Heartbeat:
    clone = instance.partition("-")[0]
    return Heartbeat(
        clone=clone, instance=instance, state=state, in_flight=0, capacity=1, at=NOON + timedelta(seconds=at_s)
    )


def states(roll: RollCall, now: float) -> list[tuple[str, str]]:
    return [(change.instance, change.state) for change in roll.look(now)]


def test_each_change_is_told_once() -> None:
    roll = RollCall()
    came = roll.beat(beat(), 0)
    assert came is not None
    assert (came.clone, came.instance, came.state, came.beat_at) == ("beta", "beta-1", "up", NOON)
    assert roll.beat(beat(at_s=1), 1) is None
    assert states(roll, 1 + SUSPECT_S - 0.1) == []
    (suspect,) = roll.look(1 + SUSPECT_S)
    assert (suspect.state, suspect.beat_at) == ("suspect", NOON + timedelta(seconds=1))
    assert states(roll, 1 + DEAD_S - 0.1) == []
    assert states(roll, 1 + DEAD_S) == [("beta-1", "dead")]
    assert states(roll, 1 + DEAD_S + 100) == []
    back = roll.beat(beat(at_s=200), 200)
    assert back is not None
    assert back.state == "up"


def test_a_clone_speaks_for_no_other_clones_instances() -> None:
    roll = RollCall()
    roll.beat(beat(), 0)
    for state in ("draining", "ready"):
        assert roll.beat(replace(beat(state=state, at_s=5), clone="gamma"), 5) is None
    assert states(roll, DEAD_S) == [("beta-1", "dead")]


def test_a_suspect_that_beats_again_is_up() -> None:
    roll = RollCall()
    roll.beat(beat(), 0)
    assert states(roll, SUSPECT_S) == [("beta-1", "suspect")]
    back = roll.beat(beat(at_s=4), 4)
    assert back is not None
    assert back.state == "up"
    assert states(roll, 4.5) == []


def test_who_drains_may_fall_silent() -> None:
    roll = RollCall()
    roll.beat(beat(), 0)
    left = roll.beat(beat(state="draining"), 1)
    assert left is not None
    assert left.state == "draining"
    assert roll.beat(beat(state="draining"), 2) is None
    assert states(roll, 100) == []
    assert dict(roll.counts(100)) == {}


def test_silence_that_may_be_ours_is_forgiven() -> None:
    roll = RollCall()
    roll.beat(beat(), 0)
    roll.forgive(SUSPECT_S - 0.1)
    assert states(roll, SUSPECT_S - 0.1 + GRACE_S + SUSPECT_S - 0.1) == []
    assert states(roll, SUSPECT_S + GRACE_S + SUSPECT_S) == [("beta-1", "suspect")]


def test_who_was_there_by_the_ledger_is_expected_and_who_was_not_is_not() -> None:
    roll = RollCall()
    for instance, state in (("beta-1", "up"), ("beta-2", "suspect"), ("beta-3", "dead"), ("beta-4", "draining")):
        event = InstanceChanged(clone="beta", instance=instance, state=state, at=NOON, told_by="omega-1")  # type: ignore[arg-type]
        roll.meet(event, 0)
    assert roll.beat(beat("beta-1"), 1) is None
    assert states(roll, GRACE_S + SUSPECT_S) == [("beta-1", "suspect")]
    assert states(roll, GRACE_S + DEAD_S) == [("beta-1", "dead"), ("beta-2", "dead")]


def test_they_are_forgotten_after_an_hour() -> None:
    roll = RollCall()
    roll.beat(beat(), 0)
    assert states(roll, DEAD_S) == [("beta-1", "dead")]
    assert dict(roll.counts(FORGET_S - 1)) == {"dead": 1}
    assert states(roll, FORGET_S) == []
    assert dict(roll.counts(FORGET_S)) == {}


def test_no_more_than_so_many_are_known_and_names_that_cannot_be_are_nobodys() -> None:
    roll = RollCall()
    for clone in range(MOST // MOST_OF_ONE):
        for number in range(MOST_OF_ONE):
            assert roll.beat(beat(f"c{clone}-{number}"), 0) is not None
    assert roll.beat(beat("beta-x"), 0) is None
    assert roll.beat(beat("c0-1"), 0) is None
    assert RollCall().beat(beat("beta-1.>"), 0) is None


def test_a_clone_of_many_names_keeps_no_other_out_and_who_was_silent_longest_is_forgotten() -> None:
    roll = RollCall()
    for number in range(MOST_OF_ONE):
        assert roll.beat(beat(f"beta-{number}"), number / MOST_OF_ONE) is not None
    assert roll.beat(beat("beta-new"), 1) is None
    assert roll.beat(beat("gamma-1"), 1) is not None
    roll.beat(beat("beta-0"), 2)
    later = 1 + DEAD_S
    roll.look(later)
    assert dict(roll.counts(later)) == {"suspect": 1, "dead": MOST_OF_ONE}
    came = roll.beat(beat("beta-new"), later)
    assert came is not None
    # It took the place of beta-1, which is news when it comes again.
    assert dict(roll.counts(later)) == {"up": 1, "suspect": 1, "dead": MOST_OF_ONE - 1}
    again = roll.beat(beat("beta-1"), later)
    assert again is not None
    assert dict(roll.counts(later)) == {"up": 2, "suspect": 1, "dead": MOST_OF_ONE - 2}


def test_the_last_to_go() -> None:
    roll = RollCall()
    roll.beat(beat("beta-2", at_s=1), 0)
    roll.beat(beat("beta-1", at_s=0), 0)
    roll.beat(beat("gamma-1"), 5)
    assert roll.last_to_go("beta") is None
    roll.look(DEAD_S)
    last = roll.last_to_go("beta")
    assert last is not None
    assert last.instance == "beta-2"
    assert roll.last_to_go("gamma") is None
    assert roll.last_to_go("sigma") is None


@pytest.mark.parametrize(
    ("said", "news"),
    [
        (None, {"up", "suspect", "dead", "draining"}),
        ("up", {"suspect", "dead", "draining"}),
        ("suspect", {"up", "dead", "draining"}),
        ("dead", {"up", "draining"}),
        ("draining", {"up"}),
    ],
)
def test_what_is_news(said: str | None, news: set[str]) -> None:
    every = ("up", "suspect", "dead", "draining")
    assert {state for state in every if may_follow(said, state)} == news  # type: ignore[arg-type]


def test_what_becomes_of_the_tasks_of_a_clone_that_is_gone() -> None:
    table = DEFAULT_TABLE
    assert what_waits(table, "beta", frozenset({"delta"})) == "delta takes security and performance"
    assert what_waits(table, "beta", frozenset()) == "security and performance wait until one starts"
    assert what_waits(table, "gamma", frozenset()) == (
        "architecture, design, scalability, impact and code-map wait until one starts"
    )
    assert what_waits(table, "omega", frozenset()) is None
    mixed = RoutingTable(routes={"a": Route(clone="x", fallback=("y",)), "b": Route(clone="x"), "c": Route(clone="y")})
    assert what_waits(mixed, "x", frozenset({"y"})) == "y takes a; b waits until one starts"
