"""`sanctuary trends`: past results of a target, as tables, as JSON and as a picture."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bus.task import Done, Task
from ops.trend_picture import draw
from ops.trends import Run, comparable, figures, names_of
from tests.ops.rig import OpsRig

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def read(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 -- our own


def measured(passed: int, failed: int, lines: float, *, flaky: int | None = None) -> dict[str, Any]:
    data: dict[str, Any] = {
        "ran": True,
        "counts": {"total": passed + failed, "passed": passed, "failed": failed, "errors": 0, "skipped": 0},
        "coverage": {"line_percent": lines, "branch_percent": None},
        "duration_s": 1.5,
    }
    if flaky is not None:
        data["shuffles"] = {"tests": [{"verdict": "flaky"}] * flaky}
    return data


def run(number: int, data: dict[str, Any], *, selection: str = "[null]", task_type: str = "testing") -> Run:
    return Run(
        task_type=task_type,
        task_id=f"t{number}",
        at=BEGIN + timedelta(hours=number),
        revision=None,
        selection=selection,
        values=figures(task_type, data),
    )


async def test_past_results_of_the_target_are_told_in_order(ops_rig: OpsRig, tmp_path: Path) -> None:
    shop, other = tmp_path / "shop", tmp_path / "other"
    shop.mkdir()
    other.mkdir()
    found: dict[str, dict[str, Any]] = {
        "t1": measured(8, 2, 70.0),
        "t2": measured(9, 1, 75.5, flaky=1),
        "t3": measured(1, 0, 5.0),
        "t4": {"ran": True, "totals": {"score_percent": 80.0, "tried": 10, "survived": 2}},
    }

    async def work(task: Task) -> Done:
        output = {"target": task.params["target"], "revision": "a" * 40, "data": found[task.id]}
        return Done(summary="done", output=output)

    async with ops_rig.clone("delta", work):
        for number, (task_type, target) in enumerate(
            [("testing", shop), ("testing", shop), ("testing", other), ("mutation", shop)], 1
        ):
            called = await ops_rig.cli("call", task_type, "--id", f"t{number}", "-t", target)
            assert called.status == 0, called.err
        told = await ops_rig.cli("trends", shop, "--json")
        text = await ops_rig.cli("trends", ".", "--svg", tmp_path / "trends.svg", cwd=shop)
        nothing = await ops_rig.cli("trends", tmp_path)

    testing, mutation = told.json["trends"]
    assert [each["task_id"] for each in testing["runs"]] == ["t1", "t2"]
    assert [each["task_id"] for each in mutation["runs"]] == ["t4"]
    changes = {each["measure"]: each for each in testing["changes"]}
    assert (changes["line_percent"]["last"], changes["line_percent"]["verdict"]) == (75.5, "better")
    assert changes["total"]["verdict"] is None
    assert "flaky" not in changes, "one run alone looked for them"
    assert text.out.startswith("testing: 2 runs\nwhen (UTC)\trevision\ttests\tfailed")
    assert "  lines %: 75.50, +5.50 since the run before (better), +5.50 since the first" in text.out
    assert "mutation: 1 run\n" in text.out
    picture = read((tmp_path / "trends.svg").read_text())
    assert "testing: lines %" in {each.text for each in picture.iter() if each.text}
    assert (nothing.status, nothing.out) == (1, "")
    assert "No task of the types testing and mutation has a result of" in nothing.err


def test_runs_that_looked_at_something_else_are_left_out_and_counted() -> None:
    runs = [run(1, measured(1, 0, 5.0), selection='[["-k","a"]]'), *(run(n, measured(n, 0, 50.0)) for n in (4, 3, 2))]
    found = comparable("testing", runs, 2)
    assert ([each.task_id for each in found.runs], found.others) == (["t3", "t4"], 1)
    assert comparable("mutation", runs, 2).runs == ()


def test_a_run_whose_tests_did_not_run_has_no_figures() -> None:
    assert set(figures("testing", {"ran": False, "counts": {"total": 0}, "duration_s": 0.0}).values()) == {None}
    assert set(figures("mutation", {"ran": False, "totals": {"score_percent": 0.0}}).values()) == {None}
    assert set(figures("testing", {"ran": True, "counts": "odd", "coverage": 3}).values()) == {None}


def test_a_repository_is_the_same_whatever_its_revision() -> None:
    assert names_of("https://example.org/a.git#v1") == {"https://example.org/a.git"}
    assert names_of("artifact:a") == {"artifact:a"}


def test_a_picture_of_equal_values_and_of_hostile_names_is_a_picture() -> None:
    trend = comparable("testing", [run(1, measured(1, 0, 5.0)), run(2, measured(1, 0, 5.0))], 9)
    read(draw([trend], "</svg><script>\x00"))
    read(draw([], "nothing"))
