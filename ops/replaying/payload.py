"""What of a result is its answer: its payload without what is another one each time that the same work is done. Pure.

Left out, wherever it stands in the output:

- fields whose name ends with `_s`, `_ms` or `_at`: durations, and points in time;
- fields of the name of a thing that was done or of who did it: ids, sequence numbers, clones (a fallback does its
  primary's own work), instances, processes;
- fields that hold what is measured of time or memory, such as a profile's hot spots or the slowest tests;
- what a language model said.

A path below a directory for temporary files counts as `<temporary>`, and a duration in words, such as `1.1 s` or `2m05s`, as
`<duration>`. The words of a summary, or of a failure's message, do not count, as they tell durations and names; a failure's code
does. Nor do such words where a run's output hands on those of its steps. Of files the names and the kinds count: what is in them
may hold times.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from schemas import TaskCompletion, TaskResult, WorkflowCompletion, WorkflowFailure

_ENDINGS = ("_s", "_ms", "_at")
_NAMES = frozenset(
    {
        *("task_id", "workflow_id", "parent_id", "child_id", "retry_of", "cached_from", "data_artifact", "command_id"),
        *("sequence", "clone", "instance", "host", "hostname", "pid", "writer", "traceparent", "at", "advice"),
        *("slowest", "hot", "samples", "functions_seen", "share", "share_by_kind", "share_of_time", "self_share"),
        *("peak_bytes", "seen_bytes", "peak_rss_bytes", "at_peak", "at_end", "record", "change_percent", "throughput"),
    }
)
"""Fields that do not count, beside those with the endings."""
_TEMPORARY = re.compile(r"(?:/private)?(?:/tmp|/var/tmp|/var/folders/\w+/\w+/T)/[^/\s\"']+")
_DURATION = re.compile(r"(?<![\w.])\d+(?:\.\d+)? ?(?:ms|s|seconds)\b|(?<![\w.])\d+[hm]\d\d[ms]?\b")
MOST_DIFFERENCES = 20
"""So many places of two payloads that differ are told."""
_CUT = 120


def payload(result: TaskResult, data: Any = None) -> dict[str, Any]:
    """Return what of a result counts; `data` is what its `data_artifact` holds, where it has one."""
    steps = result.steps if isinstance(result, WorkflowCompletion | WorkflowFailure) else ()
    if not isinstance(result, TaskCompletion):
        told: dict[str, Any] = {"state": "failed", "code": result.code}
    else:
        output = msgspec.to_builtins(result.output)
        if data is not None and isinstance(output, dict):
            output = {**output, "data": data}
        words = {line.message: f"<what is said of {line.step}>" for line in steps if line.message}
        files = sorted((ref.filename, ref.media_type) for ref in result.artifacts)
        told = {"state": "completed", "output": _lasting(output, words), "files": [list(each) for each in files]}
    if steps:
        told["steps"] = [[line.step, line.state, line.code, line.items] for line in steps]
    return told


def digest(told: Any) -> str:
    """Return the SHA-256 digest of a payload, as hex digits: of its JSON with sorted keys."""
    return hashlib.sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()


def differences(before: Any, after: Any) -> list[str]:
    """Return the first places where two payloads differ, each as `path: before → after`."""
    found: list[str] = []
    for told in _differences(before, after, "$"):
        if len(found) == MOST_DIFFERENCES:
            return [*found, "and more"]
        found.append(told)
    return found


def _lasting(value: Any, words: Mapping[str, str]) -> Any:
    match value:
        case dict():
            return {name: _lasting(each, words) for name, each in value.items() if not _is_passing(name)}
        case list() | tuple():
            return [_lasting(each, words) for each in value]
        case str() if value in words:
            return words[value]
        case str():
            return _DURATION.sub("<duration>", _TEMPORARY.sub("<temporary>", value))
    return value


def _is_passing(name: str) -> bool:
    return name in _NAMES or name.endswith(_ENDINGS)


def _differences(before: Any, after: Any, place: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted({*before, *after}):
            if name not in before:
                yield f"{place}.{name}: added: {_brief(after[name])}"
            elif name not in after:
                yield f"{place}.{name}: gone: {_brief(before[name])}"
            else:
                yield from _differences(before[name], after[name], f"{place}.{name}")
    elif isinstance(before, list) and isinstance(after, list):
        for index, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from _differences(one, other, f"{place}[{index}]")
        for index in range(len(before), len(after)):
            yield f"{place}[{index}]: added: {_brief(after[index])}"
        for index in range(len(after), len(before)):
            yield f"{place}[{index}]: gone: {_brief(before[index])}"
    elif before != after or type(before) is not type(after):
        yield f"{place}: {_brief(before)} → {_brief(after)}"


def _brief(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"
