"""The timeline's geometry: every bar inside the picture, in proportion, from the first stored task on."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clones.engines.report.timeline import LABEL_WIDTH, WIDTH, timeline
from tests.clones.engines.report.inputs import START, section


def at(offset_s: float, queued_s: float, duration_s: float | None, task_type: str = "testing") -> object:
    return section(task_type, started_at=START + timedelta(seconds=offset_s), queued_s=queued_s, duration_s=duration_s)


def test_bars_are_in_proportion() -> None:
    drawn = timeline([at(2, 2, 6), at(4, 1, 4)])
    assert drawn is not None
    first, second = drawn.rows
    assert drawn.span_s == pytest.approx(8)
    assert drawn.work_s == pytest.approx(10)
    assert first.waited_x == pytest.approx(LABEL_WIDTH)
    assert first.ran_width / first.waited_width == pytest.approx(3)
    assert second.ran_x - first.ran_x == pytest.approx(first.waited_width)
    assert first.text == "delta testing: waited 2.0 s, ran 6.0 s, completed"


def test_nothing_ran_nothing_is_drawn() -> None:
    assert timeline([]) is None
    assert timeline([section("testing", started_at=None)]) is None


seconds = st.floats(0, 90_000)


@given(st.lists(st.tuples(seconds, seconds, st.none() | seconds), min_size=1, max_size=12))
def test_every_bar_lies_inside_the_picture(runs: list[tuple[float, float, float | None]]) -> None:
    drawn = timeline([at(*run) for run in runs])
    assert drawn is not None
    assert len(drawn.rows) == len(runs)
    for row in drawn.rows:
        assert row.waited_x >= LABEL_WIDTH - 0.01
        assert row.ran_x + row.ran_width <= WIDTH
        assert row.waited_x + row.waited_width == pytest.approx(row.ran_x, abs=0.01)
    assert 1 <= len(drawn.ticks) <= 9
    assert len({tick.label for tick in drawn.ticks}) == len(drawn.ticks)
    assert drawn.ticks[-1].x <= WIDTH
