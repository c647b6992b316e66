"""The part of `performance` that tells of memory: its peak, and which lines held it then and at the end.

The program runs once more for it, since tracing each allocation would disturb the times.
"""

import json
from pathlib import Path
from typing import Any

import msgspec

from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile
from clones.engines.environment import Environment
from clones.engines.environment.interpreter import standard_library
from clones.engines.running.memory_fold import Held, Trace, held_by_line
from clones.engines.running.places import Places
from clones.engines.running.profile_fold import Kind
from clones.engines.running.profiler import PROFILER
from clones.engines.running.watched import Watched
from clones.engines.statements import Lines, Statement

RECORD = "memory.json"
MAX_LINES = 30

_SUBJECT = "memory"


class _Traced(msgspec.Struct, frozen=True, kw_only=True):
    """What the profiler wrote."""

    exit_status: int
    peak_bytes: int
    seen_bytes: int
    at_peak: list[Trace]
    at_end: list[Trace]


def told(
    output: EngineOutput, done: Watched, place: Path, *, root: Path, environment: Environment, out: Path
) -> EngineOutput:
    """Return `output` with `data["memory"]`, from the traced run `done` that left its record in `place`.

    Where it left none, `data["memory"]` is None and `not_analysed` says why.
    """
    try:
        traced = msgspec.json.decode((place / RECORD).read_bytes(), type=_Traced)
    except (OSError, ValueError):
        return without(output, "the run with each allocation traced left no record: it was killed, or ended abruptly")
    places = Places(root, standard_library(Path(environment.python)))
    lines = Lines(root)
    at_peak, at_end = (held_by_line(traces, places.place, skip=PROFILER) for traces in (traced.at_peak, traced.at_end))
    data: dict[str, Any] = {
        "peak_bytes": traced.peak_bytes,
        "seen_bytes": traced.seen_bytes,
        "exit_status": done.exit_status if done.exit_status is not None else traced.exit_status,
        "interrupted": done.interrupted,
        "at_peak": [
            _line(each, traced.seen_bytes, "when most was held", places, lines) for each in at_peak[:MAX_LINES]
        ],
        "at_end": [
            _line(each, sum(held.bytes for held in at_end), "at the end", places, lines) for each in at_end[:MAX_LINES]
        ],
    }
    (out / RECORD).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    notes = output.not_analysed
    if done.interrupted:
        reason = "the traced run was interrupted when the budget was used up; its peak is that of what had run by then"
        notes = (*notes, NotAnalysed(subject=_SUBJECT, reason=reason))
    return msgspec.structs.replace(
        output,
        summary=f"{output.summary.removesuffix('.')}; {_in_words(traced.peak_bytes)} of Python's memory at the peak.",
        data={**output.data, "memory": {**data, "record": _record(traced.peak_bytes)}},
        files=(*output.files, OutputFile(name=RECORD, media_type="application/json")),
        not_analysed=notes,
    )


def without(output: EngineOutput, why: str) -> EngineOutput:
    """Return `output` with no word on memory but why."""
    return msgspec.structs.replace(
        output,
        data={**output.data, "memory": None},
        not_analysed=(*output.not_analysed, NotAnalysed(subject=_SUBJECT, reason=why)),
    )


def _line(held: Held, whole: int, when: str, places: Places, lines: Lines) -> dict[str, Any]:
    row = {
        "file": held.file,
        "line": held.line,
        "kind": held.kind.value,
        "bytes": held.bytes,
        "share": round(held.bytes / whole, 4) if whole else 0.0,
        "blocks": held.blocks,
        "source": places.line(held.path, held.line),
    }
    if held.kind is not Kind.TARGET or not lines.at(held.file, held.line).strip():
        return row
    text = f"{held.file}:{held.line} held {_in_words(held.bytes)} {when}, in {held.blocks} blocks"
    command, expected = lines.shown([(held.file, held.line)])
    return {**row, "check": Statement(text=text, how_to_check=command, expected=expected).plain()}


def _record(peak_bytes: int) -> dict[str, Any]:
    text = f"tracemalloc counted {peak_bytes} bytes at the peak"
    command = f"""grep -m 1 -oE '"peak_bytes": [0-9]+' {RECORD}"""
    statement = Statement(text=text, how_to_check=command, expected=f'"peak_bytes": {peak_bytes}')
    return {"needs_file": RECORD, **statement.plain()}


def _in_words(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB" if size >= 1024**2 else f"{size / 1024:.1f} KiB"
