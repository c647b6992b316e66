"""The bench of the archive on a real server, small. No figure is judged: the machine may be busy."""

from io import StringIO

import pytest
from rich.console import Console

from ops.bench.archive import ENTRIES_A_TASK, measure
from ops.cli.bench_archive import tables

TASKS = 50


@pytest.mark.chaos
async def test_every_command_is_measured() -> None:
    said: list[str] = []
    run = await measure(TASKS * ENTRIES_A_TASK, said.append)

    assert (run.entries, run.lookups) == (TASKS * ENTRIES_A_TASK, TASKS)
    names = ["archive", "verify", "export jsonl", "export cloudevents", "export otel", "export parquet"]
    assert [step.name for step in run.steps] == names
    assert set(names) <= set(said)
    for step in run.steps:
        assert step.entries_per_s == pytest.approx(run.entries / step.seconds)
        assert step.peak_memory_bytes > 0
        assert (step.size_bytes > 0) is (step.name != "verify")
    assert 0 < run.lookup_p50_ms <= run.lookup_p99_ms
    text = StringIO()
    Console(file=text, width=80).print(tables(run))
    assert all(len(line) <= 80 for line in text.getvalue().splitlines())
