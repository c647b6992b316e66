"""The bench of the archive: a ledger of many entries on a real server, archived, verified and exported by the commands themselves.

Each command is a process of its own, so that its time, its processor time and the most memory that it had are the whole command's.
"""

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from bus.jetstream import api, pub_ack
from bus.merkle import Frontier
from bus.network import Network, open_network
from bus.server import EmbeddedServer, ServerOptions
from bus.server_config import OPERATOR
from bus.subjects import Subjects
from bus.topology import ensure
from ops.archive.archiving import SETTLED_S
from ops.archive.directory import open_archive
from ops.archive.segment import leaves
from ops.archive.source import Source
from ops.bench.processes import BenchFailed
from ops.proofs.checkpoint import Checkpoint, sign
from ops.proofs.notes import SigningKey

REALM = "bench"
TYPES = ("security", "testing", "documentation")
EVENTS_A_TASK = 2
ENTRIES_A_TASK = EVENTS_A_TASK + 2
"""An assignment, its events, and the copy of its result."""
AT_ONCE = 500
"""Tasks whose messages are on their way together."""
LOOKED_UP = 200
COPIED_WITHIN_S = 300.0

Say = Callable[[str], None]


class Step(msgspec.Struct, frozen=True):
    """One command over the whole ledger."""

    name: str
    seconds: float
    processor_s: float
    entries_per_s: float
    peak_memory_bytes: int
    """The most that the process had at once."""
    size_bytes: int
    """Of what it wrote; 0: it wrote nothing."""


class ArchiveRun(msgspec.Struct, frozen=True):
    """What was measured."""

    entries: int
    ledger_bytes: int
    """As the server counts them."""
    steps: list[Step]
    lookups: int
    lookup_p50_ms: float
    """All about one task by its id, in the archive alone, the archive being open."""
    lookup_p99_ms: float


async def measure(entries: int, say: Say) -> ArchiveRun:
    """Write so many entries, and measure what is done with them.

    Raises:
        BenchFailed: a command failed.
        SanctuaryError: the server does not run.
    """
    with tempfile.TemporaryDirectory(prefix="sanctuary-bench-") as directory:
        base = Path(directory)
        subjects = Subjects(REALM)
        async with (
            EmbeddedServer(ServerOptions(store=base / "store", port=-1, realm=REALM)) as server,
            open_network(server.settings_for(OPERATOR), subjects, name="bench", wait_s=5) as network,
        ):
            await ensure(network.requester, subjects, task_types={})
            say(f"writing {entries:,} entries")
            ids = await _write(network, entries // ENTRIES_A_TASK)
            await asyncio.sleep(SETTLED_S)
            state = (await api(network.requester, f"STREAM.INFO.{subjects.ledger}"))["state"]
            total, archive = int(state["messages"]), base / "archive"
            steps = [step async for step in _steps(server, base, archive, total, say)]
            say(f"looking {LOOKED_UP} tasks up")
            source = Source(None, open_archive(archive, REALM))
            took = [_looked_up(source, each) for each in ids[:: max(1, len(ids) // LOOKED_UP)][:LOOKED_UP]]
            ends = statistics.quantiles(took, n=100) if len(took) > 1 else took * 99
            return ArchiveRun(
                entries=total,
                ledger_bytes=int(state["bytes"]),
                steps=steps,
                lookups=len(took),
                lookup_p50_ms=statistics.median(took),
                lookup_p99_ms=ends[98],
            )


async def _write(network: Network, tasks: int) -> list[str]:
    """Store tasks that have ended, with their events and results, and return their ids."""
    ids = [f"{number:06x}-{secrets.token_hex(5)}" for number in range(tasks)]
    for start in range(0, tasks, AT_ONCE):
        part = ids[start : start + AT_ONCE]
        sent = [
            network.requester.send(subject, body, timeout_s=60.0)
            for number, task_id in enumerate(part, start)
            for subject, body in _messages(network.subjects, TYPES[number % len(TYPES)], task_id)
        ]
        for answer in await asyncio.gather(*sent):
            pub_ack(answer)
    deadline = time.monotonic() + COPIED_WITHIN_S
    while True:
        state = (await api(network.requester, f"STREAM.INFO.{network.subjects.ledger}"))["state"]
        if int(state["messages"]) == tasks * ENTRIES_A_TASK:
            return ids
        if time.monotonic() > deadline:
            raise BenchFailed(f"the results were not copied into the ledger within {COPIED_WITHIN_S:g} s")
        await asyncio.sleep(0.1)


def _messages(subjects: Subjects, task_type: str, task_id: str) -> list[tuple[str, bytes]]:
    """Return what a task leaves, about as large as real ones."""
    at = "2026-11-20T10:00:00.123456Z"
    about = {"task_id": task_id, "task_type": task_type, "clone": "beta", "instance": "beta-4f1d", "attempt": 1}
    assignment = {"id": task_id, "params": {"target": "src/package"}, "labels": {"project": "demo"}}
    started = {"type": "TaskStarted", **about, "at": at}
    progress = {"type": "TaskProgress", **about, "at": at, "fraction": 0.5, "message": "half of the files are read"}
    output = {"findings": [], "counts": {"high": 0, "medium": 1}, "files_analysed": 112}
    times = {"started_at": at, "finished_at": at, "writer": secrets.token_hex(8)}
    result = {"type": "TaskCompletion", **about, **times, "summary": "nothing was found", "output": output}
    event = subjects.event(task_type, task_id)
    told = (
        (subjects.task(task_type), assignment),
        (event, started),
        (event, progress),
        (subjects.settle(task_type, task_id), result),
    )
    return [(subject, msgspec.json.encode(body)) for subject, body in told]


async def _steps(server: EmbeddedServer, base: Path, archive: Path, entries: int, say: Say) -> AsyncIterator[Step]:
    """Run the commands one after the other."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))},
        "NATS_URL": server.url,
        "NATS_NKEY": str(server.keys[OPERATOR]),
        "SANCTUARY_REALM": REALM,
        "SANCTUARY_ARCHIVE": str(archive),
    }

    async def step(name: str, *arguments: str | Path, wrote: Path | None = None) -> Step:
        say(name)
        return await asyncio.to_thread(_run, name, arguments, environment, entries, wrote)

    yield await step("archive", "audit", "archive", wrote=archive)
    key, checkpoint = await asyncio.to_thread(_signed, archive, base)
    yield await step("verify", "audit", "verify", "--key", key, "--checkpoint", checkpoint)
    for form in ("jsonl", "cloudevents", "otel", "parquet"):
        file = base / f"ledger.{form}"
        if form != "parquet" or _has_pyarrow():
            yield await step(f"export {form}", "audit", "export", "--format", form, "-o", file, wrote=file)
            file.unlink()


def _run(
    name: str, arguments: tuple[str | Path, ...], environment: dict[str, str], entries: int, wrote: Path | None
) -> Step:
    command = [sys.executable, "-P", "-m", "ops.cli", *map(str, arguments)]
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        said.seek(0)
        if process.returncode != 0:
            raise BenchFailed(f"`{name}` failed: {said.read().decode(errors='replace').strip()}")
    peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024
    return Step(name, seconds, used.ru_utime + used.ru_stime, entries / seconds, peak, _size(wrote))


def _size(wrote: Path | None) -> int:
    if wrote is None:
        return 0
    return sum(path.stat().st_size for path in wrote.glob("*.segment")) if wrote.is_dir() else wrote.stat().st_size


def _signed(archive: Path, base: Path) -> tuple[str, Path]:
    """Sign all that is archived, and return the key that verifies it, and the checkpoint's file."""
    tree, size = Frontier(), 0
    for segment in open_archive(archive, REALM).segments:
        for hashes in leaves(segment):
            tree.extend(hashes)
        size = segment.end
    key = SigningKey.new("bench")
    file = base / "checkpoint"
    file.write_text(str(sign(Checkpoint("bench", size, tree.root()), key)), encoding="utf-8")
    return str(key.public), file


def _looked_up(source: Source, task_id: str) -> float:
    """Return how long it takes to find all about a task, in milliseconds."""
    begun = time.perf_counter()
    found = source.archived_about((task_id,))
    took = (time.perf_counter() - begun) * 1000
    if len(found) != ENTRIES_A_TASK:
        raise BenchFailed(f"of the task {task_id} the archive has {len(found)} entries, not {ENTRIES_A_TASK}")
    return took


def _has_pyarrow() -> bool:
    from importlib.util import find_spec

    return find_spec("pyarrow") is not None
