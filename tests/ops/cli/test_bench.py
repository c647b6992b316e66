"""`sanctuary bench` on the real server with real processes, small. No figure is judged: the machine may be busy."""

import asyncio
import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert
from rich.console import Console

from ops.bench.figures import Run
from ops.bench.measure import QUICK, measure
from ops.bench.notary_figures import NotaryRun
from ops.bench.processes import BenchFailed, Child, child
from ops.bench.workflows import FlowRuns
from ops.cli.bench_notary import tables as notary_tables
from ops.cli.bench_workflows import tables
from tests.ops.network import command, parents

SANCTUARY = Path(sys.executable).with_name("sanctuary")


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [SANCTUARY, "bench", "--quick", *arguments], capture_output=True, text=True, timeout=280, check=False
    )


@pytest.mark.timeout(300)
def test_json_is_one_object_with_a_run_for_each_setting() -> None:
    done = bench("--json", "--in-flight", "1", "--in-flight", "20")

    assert done.returncode == 0, done.stderr
    runs: list[dict[str, Any]] = json.loads(done.stdout)["runs"]
    assert [(run["sync"], run["in_flight"]) for run in runs] == [
        ("default", 1),
        ("default", 20),
        ("always", 1),
        ("always", 20),
    ]
    for run in runs:
        assert set(run) == set(Run.__struct_fields__)
        assert (run["tasks"], run["pairs"]) == (50, 1)
        assert 0 < run["p50_ms"] <= run["p99_ms"]
        assert 0 < run["start_p50_ms"] <= run["start_p99_ms"] <= run["p99_ms"]
        assert run["ratio_to_floor"] == run["ratio_lowest"] == run["ratio_highest"]
        # All three are rounded, which on a slow disk is a large share of them.
        ours, floor = run["tasks_per_s"], run["floor_tasks_per_s"]
        assert (ours - 0.06) / (floor + 0.06) - 0.001 <= run["ratio_to_floor"] <= (ours + 0.06) / (floor - 0.06) + 0.001


@pytest.mark.timeout(300)
def test_table_is_plain_text_in_a_pipe_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = bench("--sync", "default", "--in-flight", "5")

    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["default"]]
    assert len(rows) == 1
    assert (len(rows[0]), rows[0][1]) == (9, "5")
    assert "default, 5 in flight" in done.stderr
    assert "in flight: ratio" not in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert [line for line in map(command, parents()) if str(tmp_path) in line] == []


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_workflows_are_measured_beside_bare_tasks_and_by_one_and_three_omegas() -> None:
    done = subprocess.run(
        [SANCTUARY, "bench", "--quick", "--workflows", "--json"],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    found = convert(json.loads(done.stdout), FlowRuns)
    assert [(row.in_flight, row.steps) for row in found.overhead] == [(1, 20), (8, 80)]
    assert all(row.throughput_ratio > 0 and row.latency_ratio > 0 for row in found.overhead)
    assert (found.sharing.runs, found.sharing.omegas) == (16, 3)
    assert found.sharing.speed_up == pytest.approx(found.sharing.steps_per_s[1] / found.sharing.steps_per_s[0], rel=0.1)
    assert found.sharing.cores is not None
    one, three = found.sharing.cores
    assert (len(one.omegas), len(three.omegas)) == (1, 3)
    # So few runs may leave one of three Omegas with less to do than the system counts.
    assert all(share > 0 for share in (one.broker, sum(three.omegas), one.worker))
    assert found.sharing.limit
    console = Console(width=100, file=StringIO())
    with console.capture() as shown:
        console.print(tables(found))
    assert f"3 Omegas: {found.sharing.speed_up:.2f} times as fast as one. Limit: " in shown.get()


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_tasks_are_measured_with_and_without_a_notary() -> None:
    done = bench("--quick", "--notary", "--json")

    assert done.returncode == 0, done.stderr
    found = convert(json.loads(done.stdout), NotaryRun)
    assert (found.in_flight, found.pairs, found.entries) == (10, 1, 100)
    assert found.ratio_lowest <= found.ratio <= found.ratio_highest
    assert found.signed_after_s >= 0  # signed at once, it is rounded to nothing
    console = Console(width=100, file=StringIO())
    with console.capture() as shown:
        console.print(notary_tables(found))
    assert f"The ratio was {found.ratio_lowest:.2f} to" in shown.get()


def test_workflows_go_with_no_setting_of_the_others() -> None:
    done = bench("--workflows", "--sync", "always")

    assert done.returncode == 2
    assert "go neither together nor with --sync or --in-flight" in done.stderr


async def test_a_process_that_cannot_start_ends_the_bench_in_words(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BenchFailed, match="the process `ours work` ended early"):
        async with child(tmp_path, "ours", "work"):
            pass
    assert "no server runs on" in capfd.readouterr().err


@pytest.mark.timeout(300)
async def test_a_worker_that_dies_ends_the_bench_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    processes: dict[str, asyncio.subprocess.Process] = {}
    begin, ask = Child.__init__, Child.ask

    def remember(self: Child, name: str, process: asyncio.subprocess.Process) -> None:
        processes[name] = process
        begin(self, name, process)

    async def kill_the_worker_first(self: Child, order: Any, kind: Any) -> Any:
        if processes["floor work"].returncode is None:
            processes["floor work"].kill()
        return await ask(self, order, kind)

    monkeypatch.setattr(Child, "__init__", remember)
    monkeypatch.setattr(Child, "ask", kill_the_worker_first)
    with pytest.raises(BenchFailed, match="the process `floor work` ended early"):
        async with asyncio.timeout(280):
            async for _ in measure(["default"], [1], QUICK, lambda *_: None):
                pass
    assert {process.returncode is not None for process in processes.values()} == {True}
