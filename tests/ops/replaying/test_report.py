"""What is said of a replay in one sentence."""

import pytest

from ops.replaying.comparing import Verdict
from ops.replaying.report import Replay, verdict


def replay(counts: dict[Verdict, int], *, equal: bool = True) -> Replay:
    return Replay(
        recorded="a",
        into="b",
        speed="max",
        first=None,
        last=None,
        submissions=sum(counts.values()),
        late_s=0.0,
        equal=equal,
        counts=counts,
        rows=(),
        left_out=0,
        durations=(),
        ids={},
    )


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (replay({}), "Nothing was recorded that could be driven once more."),
        (replay({"equal": 5, "different": 0}), "Equal outcomes: 5 equal."),
        (replay({"equal": 5, "by command": 2}), "Equal outcomes: 5 equal; not compared: 2 by command."),
        (replay({"equal": 5, "different": 1}, equal=False), "The outcomes differ: 5 equal, 1 different."),
        (replay({"equal": 0, "unrecorded": 1}), "Nothing could be compared: 1 unrecorded."),
    ],
)
def test_what_it_came_to(told: Replay, words: str) -> None:
    assert verdict(told) == words
