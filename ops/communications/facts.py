"""What a template may say of a task or of a workflow's run: plain values, gathered from the ledger and the results."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from bus.definitions import Definitions
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.engines.report.wording import duration
from ops.hints import command_line
from ops.lookup import find, said_about
from ops.result_data import data_of
from ops.stories import Story, fold
from ops.timeline import timeline
from ops.workflows import Run, find_run
from schemas import DecisionMade, StepEnded, TaskCompletion, TaskResult

MAX_FINDINGS = 1000
SEVERITIES = ("critical", "high", "medium", "low")

Facts = dict[str, Any]


async def gather(network: Network, task_id: str) -> Facts | None:
    """Return what is known of a task or run; None: there is none under this id.

    Names: `id`, `type`, `workflow`, `state`, `clone`, `attempt`, `summary`, `code`, `message`, `submitted`, `started`,
    `finished` (text, UTC; empty where it did not happen), `took`, `target`, `revision`, `labels`; lists `steps` {name, state,
    kind, id, clone, code, message}, `decisions` {step, verdict, by, comment}, `waiting` {step, prompt}, `findings` {severity,
    title, message, place, task}, `counts` {severity: number}, `changes` {section, words}, `breaking` {text}, `timeline` {at,
    kind, words}, `escalations` {at, words}, `files` {name, task}, `results` {id, type, state, summary, data}, and
    `commands` {show, resume, retry, decide}.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    stories = list(fold(await find(network, task_id)).values())
    if not stories:
        return None
    story = stories[0]
    run = None
    if story.task_type == WORKFLOW_TYPE:
        run = await find_run(network, Definitions(network), task_id)
    said = await said_about(network, [story])
    moments = timeline(story, [each for each in said.entries if said.concerns(each, story)], said.verdicts)
    told = [{"at": _moment(each.at), "kind": each.kind, "words": each.words} for each in moments]
    results = [await _result(network, each) async for each in _results(network, story, run)]
    return {
        **_of_story(story, run),
        **_of_results(results),
        "timeline": [each for each in told if each["kind"] != "progress"],
        "escalations": [each for each in told if each["kind"] == "escalation"],
        "commands": {
            "show": command_line("workflow show" if run else "task show", task_id),
            "resume": command_line("workflow resume", task_id),
            "retry": command_line("task retry", task_id),
            "decide": command_line("decide", task_id, "approve|reject"),
        },
    }


def _of_story(story: Story, run: Run | None) -> Facts:
    result = story.result
    asked = story.assignment.fields if story.assignment else {}
    params = asked.get("input") if run else asked.get("params")
    output = result.output if isinstance(result, TaskCompletion) and isinstance(result.output, dict) else {}
    target = output.get("target") or (params.get("target") if isinstance(params, dict) else None)
    failed = result is not None and not isinstance(result, TaskCompletion)
    return {
        "id": story.task_id,
        "type": story.task_type,
        "workflow": run.name if run else "",
        "state": run.status if run else story.state,
        "clone": story.clone or "",
        "attempt": story.attempt,
        "summary": result.summary if isinstance(result, TaskCompletion) else "",
        "code": getattr(result, "code", "") if failed else "",
        "message": getattr(result, "message", "") if failed else "",
        "submitted": _moment(story.submitted_at),
        "started": _moment(story.started_at),
        "finished": _moment(result.finished_at) if result else "",
        "took": duration(story.took_s) if story.took_s is not None else "",
        "target": str(target or ""),
        "revision": str(output.get("revision") or ""),
        "labels": {key: str(value) for key, value in story.labels.items()},
        "steps": [_step(line) for line in run.lines] if run else [],
        "decisions": list(_decisions(run)) if run else [],
        "waiting": [{"step": each.step, "prompt": each.prompt} for each in run.awaited] if run else [],
    }


def _step(line: Any) -> Facts:
    return {
        "name": line.step,
        "state": line.state,
        "kind": line.kind,
        "id": line.task_id or "",
        "clone": line.clone,
        "code": line.code,
        "message": line.message,
    }


def _decisions(run: Run) -> Iterator[Facts]:
    for written in run.history:
        for event in written.entry.events:
            if isinstance(event, DecisionMade):
                yield {
                    "step": event.step,
                    "verdict": event.verdict,
                    "by": event.decided_by,
                    "comment": event.comment,
                }


async def _results(network: Network, story: Story, run: Run | None) -> AsyncIterator[TaskResult]:
    """Yield the result itself, then those of a run's steps."""
    if story.result is not None:
        yield story.result
    ended: Iterable[StepEnded] = run.ended if run else ()
    for each in ended:
        if not each.compensation:
            found = await network.results.read(each.task_type, each.task_id)
            if found is not None:
                yield found


async def _result(network: Network, result: TaskResult) -> Facts:
    completed = isinstance(result, TaskCompletion)
    data = await data_of(network, result)
    return {
        "id": result.task_id,
        "type": result.task_type,
        "state": "completed" if completed else "failed",
        "summary": result.summary if isinstance(result, TaskCompletion) else result.message,
        "data": data or {},
        "files": [ref.filename for ref in result.artifacts] if isinstance(result, TaskCompletion) else [],
    }


def _of_results(results: Sequence[Facts]) -> Facts:
    findings = sorted(
        (found for each in results for found in _findings(each)),
        key=lambda found: (SEVERITIES.index(found["severity"]), found["place"], found["title"]),
    )
    data = [each["data"] for each in results]
    return {
        "results": [{name: value for name, value in each.items() if name != "files"} for each in results],
        "files": [{"name": name, "task": each["id"]} for each in results for name in each["files"]],
        "findings": findings[:MAX_FINDINGS],
        "counts": {name: sum(found["severity"] == name for found in findings) for name in SEVERITIES},
        "changes": [
            {"section": str(row.get("section", "")), "words": str(row.get("words", ""))}
            for each in data
            for row in _rows(each.get("entries"))
            if row.get("words")
        ],
        "breaking": [{"text": text} for each in data for text in _breaking(each)],
    }


def _breaking(data: Facts) -> Iterator[str]:
    """Yield what breaks for users, by the code that was compared, then by what commits say of themselves."""
    yield from (str(row["text"]) for row in _rows(data.get("breaking")) if row.get("text"))
    yield from (f"{row.get('words')}: {row['breaking']}" for row in _rows(data.get("entries")) if row.get("breaking"))


def _findings(result: Facts) -> Iterator[Facts]:
    """Yield what an engine found, and tests that failed, in one shape."""
    for row in (*_rows(result["data"].get("findings")), *_rows(result["data"].get("failures"))):
        failed = f"{row['test']} fails" if row.get("test") else ""
        title = str(row.get("title") or failed or row.get("rule") or "")
        severity = row.get("severity")
        file, line = row.get("file"), row.get("line")
        if title:
            yield {
                "severity": severity if severity in SEVERITIES else "high" if "test" in row else "low",
                "title": title,
                "message": str(row.get("message") or ""),
                "place": f"{file}:{line}" if file and line else str(file or ""),
                "task": result["id"],
            }


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else ""
