"""Gamma's `scalability`: against published figures, textbook queues, and each statement's own check."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.scalability import analyse
from clones.engines.scalability.model import fit, waiting
from clones.params import ScalabilityParams
from tests.clones.engines.claims import wrong

SDM91 = ((1, 64.9), (18, 995.9), (36, 1652.4), (72, 1853.2), (108, 1828.9), (144, 1775.0), (216, 1702.2))
"""SPEC SDM91 on a Sun SPARCcenter 2000, the data of Gunther's book and of the R package `usl`."""

RAYTRACER = tuple(
    zip(
        (1, 4, 8, 12, 16, 20, 24, 28, 32, 48, 64),
        (20.0, 78.0, 130.0, 170.0, 190.0, 200.0, 210.0, 230.0, 260.0, 280.0, 310.0),
        strict=True,
    )
)
"""A reference ray tracer on an SGI Origin 2000, of the same two sources."""

Scale = Callable[..., EngineOutput]


@pytest.fixture
def scale(tmp_path: Path) -> Scale:
    def run(**params: Any) -> EngineOutput:
        (tmp_path / "target").mkdir(exist_ok=True)
        (tmp_path / "out").mkdir(exist_ok=True)
        settings = ScalabilityParams(target="target", **params)
        return analyse(tmp_path / "target", settings, tmp_path / "out", lambda *_: None)

    return run


def test_the_published_figures_of_spec_sdm91() -> None:
    found = fit(SDM91)
    assert found.sigma == pytest.approx(0.02773, abs=5e-6)
    assert found.kappa == pytest.approx(1.0437e-4, abs=5e-9)
    assert found.peak_n == pytest.approx(96.5, abs=0.05)
    assert found.gamma == pytest.approx(89.99, abs=0.02)
    assert found.r_squared == pytest.approx(0.9896, abs=5e-5)
    # summary(usl(throughput ~ load, specsdm91)) of the R package `usl`, from its own tests
    assert found.sigma_se == pytest.approx(9.122e-03, abs=5e-7)
    assert found.kappa_se == pytest.approx(1.988e-05, abs=5e-9)
    assert found.gamma_se == pytest.approx(14.21, abs=5e-3)


def test_the_published_figures_of_a_ray_tracer_that_has_no_peak() -> None:
    """The data `raytracer` and coefficients of the same package, whose coherency lies on its bound."""
    found = fit(RAYTRACER)
    assert (found.kappa, found.kappa_se, found.peak_n) == (0.0, None, None)
    assert found.sigma == pytest.approx(0.0578, abs=5e-5)
    assert found.gamma == pytest.approx(21.8488, abs=5e-5)


@pytest.mark.parametrize("unit", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("rate", [1e-6, 1.0, 1e9])
def test_the_law_is_found_whatever_the_units_of_n_and_of_throughput(unit: float, rate: float) -> None:
    ns = [unit * n for n in (1, 2, 4, 8, 16, 32)]
    sigma, kappa = 0.05 / unit, 0.002 / unit**2
    points = [(n, rate * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))) for n in ns]
    found = fit(points)
    assert found.r_squared == pytest.approx(1.0, abs=1e-9)
    assert found.peak_n == pytest.approx(math.sqrt((1 - sigma) / kappa), rel=1e-3)
    assert [found.throughput(n) for n in ns] == pytest.approx([x for _, x in points], rel=1e-6)


def test_a_throughput_that_falls_from_the_first_has_its_peak_at_one() -> None:
    found = fit([(1, 100.0), (2, 60.0), (4, 33.0), (8, 17.0), (16, 9.0)])
    assert found.peak_n == 1.0
    assert found.limit == pytest.approx(found.gamma)
    assert 0.0 <= found.sigma <= 1.0
    assert 0.0 < found.kappa <= 1.0


def test_the_parameters_of_an_exact_law_come_back() -> None:
    exact = [(n, 50 * n / (1 + 0.08 * (n - 1))) for n in (1, 2, 4, 8, 16, 32)]
    found = fit(exact)
    assert (found.gamma, found.sigma, found.kappa) == (pytest.approx(50), pytest.approx(0.08), 0.0)
    assert (found.peak_n, found.kappa_se) == (None, None)
    assert found.limit == pytest.approx(50 / 0.08)
    assert found.knee_n == pytest.approx(1 / 0.08)


def test_perfect_scaling_has_no_limit() -> None:
    found = fit([(n, 7.0 * n) for n in (1, 2, 4, 8)])
    assert (found.sigma, found.kappa, found.limit, found.knee_n) == (0.0, 0.0, None, None)


def test_one_worker_is_m_m_1_and_two_are_as_in_the_textbook() -> None:
    one = waiting(1, 2.0, 0.8)
    assert one.wait_probability == pytest.approx(0.8)
    assert one.mean_wait_s == pytest.approx(0.8 / (2.0 - 1.6))
    two = waiting(2, 1.0, 0.75)
    assert two.wait_probability == pytest.approx(2 * 0.75**2 / (1 + 0.75))
    assert math.isfinite(waiting(5000, 1.0, 0.9).mean_wait_s)


def test_every_statement_holds_by_its_own_check(scale: Scale, tmp_path: Path) -> None:
    output = scale(points=SDM91)
    assert "peaks at n = 96.5" in output.summary
    assert len(output.data["statements"]) > 10
    assert wrong(output.data, tmp_path) == []
    assert {file.name for file in output.files} == {"scalability.md", "scalability.svg"}
    assert "peak 96.5" in (tmp_path / "out" / "scalability.svg").read_text()


def test_nothing_is_read_from_points_that_follow_no_law(scale: Scale) -> None:
    output = scale(points=((1, 0.78), (2, 0.80), (4, 0.63), (8, 1.04)))
    assert not output.data["model"]["fits"]
    assert output.data["queueing"] == []
    assert len(output.data["statements"]) == 1
    assert output.summary.startswith("The 4 points do not follow the law (R² ")
    level = scale(points=((1, 1.01), (2, 0.99), (4, 1.0), (8, 1.01))).data
    assert level["model"]["fits"], "the same throughput at every n is full contention, which is a law too"


def test_a_command_is_run_by_copies_at_once(scale: Scale, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "work.py").write_text("import os\n\nassert os.getcwd()\n")
    output = scale(command=("work.py",), budget_s=600.0)
    data = output.data
    assert [row["n"] for row in data["rounds"]][:4] == [1, 2, 4, 8]
    assert all(len(row["elapsed_s"]) == 3 for row in data["rounds"])
    for row, point in zip(data["rounds"], data["points"], strict=True):
        assert point["n"] == row["n"]
        assert point["throughput"] == pytest.approx(row["n"] / sorted(row["elapsed_s"])[1], rel=0.05)
    assert "throughput" in {item.subject for item in output.not_analysed}


def test_users_by_the_thousand_are_fitted_and_the_fit_s_check_holds(scale: Scale, tmp_path: Path) -> None:
    output = scale(points=[(n, 0.5 * n / (1 + 2e-4 * (n - 1) + 3e-9 * n * (n - 1))) for n in range(1000, 20_000, 2500)])
    assert output.data["model"]["fits"]
    assert output.data["model"]["peak_n"] == pytest.approx(18_255, rel=1e-3)
    told = [row for row in output.data["queueing"] if row["wait_probability"] >= 1e-9]
    assert told and len(told) < len(output.data["queueing"])
    assert len(output.data["statements"]) == 3 + len(told)
    assert wrong(output.data, tmp_path) == []


def test_more_than_perfect_scaling_is_told(scale: Scale) -> None:
    output = scale(points=((1, 10.0), (2, 24.0), (4, 50.0), (8, 90.0)))
    notes = {item.subject: item.reason for item in output.not_analysed}
    assert notes["superlinear points"].startswith("at n = 4 each does 12.5, more than the 10 at n = 1")


def test_a_budget_that_ends_before_the_law_has_its_points_is_said(scale: Scale, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "work.py").write_text("import time\n\ntime.sleep(60)\n")
    with pytest.raises(EngineError, match="after 0 of the 4 numbers of copies") as raised:
        scale(command=("work.py",), budget_s=10.0)
    assert raised.value.code == "engine_timeout"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "give points, or a command"),
        ({"points": SDM91, "command": ("x.py",)}, "give points, or a command"),
        ({"points": SDM91[:3]}, "3 different n are too few"),
        ({"command": ("work.py",)}, "no script 'work.py'"),
    ],
)
def test_what_cannot_be_done_is_said(scale: Scale, params: dict[str, Any], said: str) -> None:
    with pytest.raises(EngineError, match=said):
        scale(**params)


def test_a_command_that_fails_is_said(scale: Scale, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "work.py").write_text("raise SystemExit('no data')\n")
    with pytest.raises(EngineError, match="exit status 1: no data"):
        scale(command=("work.py",))
