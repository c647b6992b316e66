"""A task's story as people read it."""

import pytest
from msgspec import structs

from ops.cli.results import brief, print_story
from ops.timeline import timeline
from tests.ops.test_stories import assignment, entry, failure, only, parked, started


def test_a_cancelled_task_ran_where_and_as_long_as_it_ran_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    """Parked after 10 ms, and cancelled through Omega long after."""
    result = structs.replace(
        failure(ended=110), instance="omega-1", clone="omega", message="cancelled by ann: too late"
    )
    story = only([assignment(1), entry(2, started()), entry(3, parked(2.01)), entry(110, result)])
    print_story(story, timeline(story, [], {}))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "waited 1.0 s; ran 10 ms; took 1m49s; attempt 1, on beta-1"
    assert lines[-3].endswith("cancelled  by ann: too late")
    assert lines[-1] == "cancelled by ann: too late"


@pytest.mark.parametrize(
    ("advice", "told"),
    [
        ({"overview": "Mend the \x1b[31mfirst."}, "parrot, a language model: Mend the "),
        ({"overview": "", "problem": "it timed out"}, "parrot, a language model: no words (it timed out)"),
    ],
)
def test_a_model_s_words_are_told_as_such(advice: dict[str, str], told: str) -> None:
    line = list(brief({"data": {"modules": 3}, "advice": {"model": "parrot", **advice}}))[-1]
    assert line.startswith(told)
    assert "\x1b" not in line


def test_what_was_not_analysed_is_told_with_its_reason() -> None:
    listed = [{"subject": f"file {number}", "reason": "too large"} for number in range(6)]
    lines = list(brief({"data": {}, "not_analysed": listed, "not_analysed_total": 60}))
    assert lines[0] == "not analysed: file 0: too large"
    assert lines[-1] == "not analysed: 56 more"


@pytest.mark.parametrize(
    ("value", "told"), [(0.00314035, "0.00314"), (0.0, "0"), (97.405, "97.41"), (2.0, "2"), (7, "7")]
)
def test_a_small_figure_is_not_told_as_none(value: float, told: str) -> None:
    assert list(brief({"data": {"model": {"kappa": value}}})) == [f"model: kappa {told}"]
