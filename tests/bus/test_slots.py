"""Sharing slots by weight."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bus.slots import WeightedRound

WEIGHTS = (("high", 8), ("medium", 3), ("low", 1))
NAMES = [name for name, _ in WEIGHTS]


def test_with_work_everywhere_each_twelve_turns_are_shared_8_3_1() -> None:
    turns = WeightedRound(WEIGHTS)
    for _ in range(100):
        assert Counter(turns.turn(NAMES) for _ in range(12)) == {"high": 8, "medium": 3, "low": 1}


def test_turns_are_interleaved_and_not_in_blocks() -> None:
    turns = WeightedRound(WEIGHTS)
    taken = "".join(turns.turn(NAMES)[0] for _ in range(48))
    assert "hhhhh" not in taken
    assert "mm" not in taken


def test_who_has_nothing_leaves_its_share_to_the_others() -> None:
    turns = WeightedRound(WEIGHTS)
    assert Counter(turns.turn(["medium", "low"]) for _ in range(400)) == {"medium": 300, "low": 100}
    assert {turns.turn(["low"]) for _ in range(10)} == {"low"}


def test_an_idle_time_gives_no_claim_to_a_burst_later() -> None:
    turns = WeightedRound(WEIGHTS)
    for _ in range(1000):
        turns.turn(["low"])
    assert Counter(turns.turn(NAMES) for _ in range(12)) == {"high": 8, "medium": 3, "low": 1}


def test_slots_are_divided_by_weight() -> None:
    limits = dict.fromkeys(NAMES, 100)
    assert WeightedRound(WEIGHTS).divide(24, limits) == {"high": 16, "medium": 6, "low": 2}


def test_what_one_may_not_take_goes_to_the_others() -> None:
    assert WeightedRound(WEIGHTS).divide(10, {"high": 2, "medium": 100, "low": 100}) == {
        "high": 2,
        "medium": 6,
        "low": 2,
    }


@given(
    slots=st.integers(0, 50),
    limits=st.dictionaries(st.sampled_from(NAMES), st.integers(0, 20)),
    weights=st.lists(st.integers(1, 50), min_size=3, max_size=3),
)
def test_dividing_gives_all_that_may_be_given_and_no_more(
    slots: int, limits: dict[str, int], weights: list[int]
) -> None:
    given_out = WeightedRound(zip(NAMES, weights, strict=True)).divide(slots, limits)
    assert sum(given_out.values()) == min(slots, sum(limits.values()))
    assert all(0 < count <= limits[name] for name, count in given_out.items())


@given(weights=st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_any_weights_are_kept_exactly(weights: list[int]) -> None:
    names = [str(number) for number in range(len(weights))]
    turns = WeightedRound(zip(names, weights, strict=True))
    for _ in range(3):
        assert Counter(turns.turn(names) for _ in range(sum(weights))) == dict(zip(names, weights, strict=True))


def test_other_weights_hold_from_the_next_turn_on_and_no_credit_is_lost() -> None:
    turns = WeightedRound(WEIGHTS)
    assert turns.turn(NAMES) == "high"
    turns.reweigh({"medium": 1, "low": 1, "new": 2})
    assert turns.turn(["medium", "low", "new"]) == "medium"  # which had waited with 3 already
    names = ["medium", "low", "new"]
    assert Counter(turns.turn(names) for _ in range(400)) == {"medium": 100, "low": 100, "new": 200}
