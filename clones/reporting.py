"""What Sigma needs for a report over other tasks: their results, pictures, texts and ledger entries, fetched from the network."""

import logging
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from bus.artifacts import Artifacts
from bus.errors import SanctuaryError
from bus.jetstream import StoredMessage
from bus.ledger import entries, entry
from bus.network import Network
from bus.task import Done, Task
from clones.engines.contract import NotAnalysed
from clones.engines.report.model import AuditEntry, ReportInput, Section
from clones.engines.report.model import Network as ReportNetwork
from clones.params import DocumentationParams, ReportSource
from clones.tables import table_of
from schemas import ArtifactRef, TaskCompletion, TaskFailure, sequence_id

PICTURE_TYPES = {".svg", ".png"}
MAX_AUDIT_ENTRIES = 500
PROGRESS = "TaskProgress"
MAX_TEXT_BYTES = 200_000
"""A larger Markdown file is only named."""

log = logging.getLogger(__name__)


class _Head(msgspec.Struct, frozen=True):
    """What the audit trail shows of any ledger entry."""

    type: str = "TaskAssignment"
    task_id: str | None = None
    id: str | None = None
    clone: str = ""


async def collect(
    network: Network,
    artifacts: Artifacts,
    own: Task,
    params: DocumentationParams,
    *,
    documentation: Done,
    out: Path,
) -> ReportInput:
    """Return everything the report over `params.report_over` tells.

    This very task's `documentation` is one section, unless the report is to be alone. Pictures and texts are
    fetched into `out`; what cannot be read becomes a section that says so.
    """
    routes = (await table_of(network)).routes
    sections: list[Section] = []
    audit: list[AuditEntry] = []
    for source in params.report_over:
        if source.task_id is None:
            route = routes.get(source.task_type)
            sections.append(_without_task(source, route.clone if route is not None else ""))
            continue
        trail = [head async for head in _trail(network, source.task_type, source.task_id, source.sequence)]
        audit += trail
        submitted_at = next((line.time for line in trail if line.kind == "TaskAssignment"), None)
        result = await network.results.read(source.task_type, source.task_id)
        if result is None:
            sections.append(_without_result(source, source.task_id))
        else:
            sections.append(await _section(artifacts, result, submitted_at, out))
    # The task that writes this is not over yet: of itself the trail has the beginning.
    audit += [head async for head in _trail(network, own.task_type, own.id, own.sequence)]
    if not params.report_alone:
        sections.append(await _own_section(artifacts, own, documentation, out))
    target = str(documentation.output["target"])
    return ReportInput(
        workflow=params.workflow,
        about=params.about,
        project=PurePosixPath(target.partition("#")[0].rstrip("/")).name.removesuffix(".git") or target,
        target=target,
        revision=documentation.output["revision"] or "",
        created_at=datetime.now(UTC),
        network=ReportNetwork(realm=network.subjects.realm, server_version=network.server_version),
        sections=tuple(sections),
        audit=audited(audit),
    )


def audited(entries: Iterable[AuditEntry]) -> tuple[AuditEntry, ...]:
    """Return the audit trail in the ledger's order; where it is long, without how far tasks were at each second."""
    trail = sorted(entries, key=lambda line: line.seq)
    if len(trail) > MAX_AUDIT_ENTRIES:
        trail = [line for line in trail if line.kind != PROGRESS]
    return tuple(trail[:MAX_AUDIT_ENTRIES])


async def _section(
    artifacts: Artifacts, result: TaskCompletion | TaskFailure, submitted_at: datetime | None, out: Path
) -> Section:
    started_at = result.started_at
    section = Section(
        task_type=result.task_type,
        task_id=result.task_id,
        clone=result.clone,
        state="failed",
        instance=result.instance,
        started_at=started_at,
        finished_at=result.finished_at,
        duration_s=(result.finished_at - started_at).total_seconds() if started_at else None,
        queued_s=(started_at - submitted_at).total_seconds() if started_at and submitted_at else None,
        attempt=result.attempt,
    )
    if isinstance(result, TaskFailure):
        return msgspec.structs.replace(section, error_code=result.code, error_message=result.message)
    output = result.output if isinstance(result.output, dict) else {}
    data = output.get("data")
    if data is None:
        data = await _large_data(artifacts, str(output.get("data_artifact", "")), out)
    return msgspec.structs.replace(
        section,
        state="completed",
        summary=result.summary,
        data=data,
        files={ref.filename: await _shown(artifacts, result.task_id, ref, out) for ref in result.artifacts},
        not_analysed=_not_analysed(output),
        advice=output.get("advice"),
    )


def _not_analysed(output: dict[str, Any]) -> tuple[NotAnalysed, ...]:
    """Return what a result says was left out; of what it does not name, how much that is."""
    told = msgspec.convert(output.get("not_analysed", []), tuple[NotAnalysed, ...])
    unnamed = int(output.get("not_analysed_total", 0)) - len(told)
    if unnamed <= 0:
        return told
    return *told, NotAnalysed(subject=f"{unnamed} more", reason="The result names only the first of what was left out.")


async def _large_data(artifacts: Artifacts, name: str, out: Path) -> dict[str, Any]:
    path = out / "data.json"
    try:
        await artifacts.get(name, path)
        data: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (SanctuaryError, msgspec.DecodeError) as error:
        log.warning("the findings in %s cannot be read: %s", name, error)
        return {}
    return data


async def _shown(artifacts: Artifacts, task_id: str, ref: ArtifactRef, out: Path) -> Path | None:
    """Return where a picture or text lies now; None for other files and for one that cannot be fetched, which is then only named."""
    path = PurePosixPath(ref.filename)
    is_text = path.suffix == ".md" and path.name == ref.filename and ref.size_bytes <= MAX_TEXT_BYTES
    if path.suffix not in PICTURE_TYPES and not is_text:
        return None
    fetched = out / f"{task_id}-{path.name}"
    try:
        await artifacts.get(ref.name, fetched)
    except SanctuaryError as error:
        log.warning("%s cannot be fetched: %s", ref.name, error)
        return None
    return fetched


async def _own_section(artifacts: Artifacts, own: Task, documentation: Done, out: Path) -> Section:
    now = datetime.now(UTC)
    data = documentation.output.get("data")
    if data is None:
        data = await _large_data(artifacts, str(documentation.output["data_artifact"]), out)
    return Section(
        task_type=own.task_type,
        task_id=own.id,
        # Whoever falls back for Sigma writes the report in its place.
        clone=own.instance.rpartition("-")[0],
        state="completed",
        instance=own.instance,
        started_at=own.started_at,
        finished_at=now,
        duration_s=(now - own.started_at).total_seconds(),
        queued_s=(own.started_at - own.stored_at).total_seconds(),
        attempt=own.attempt,
        summary=documentation.summary,
        data=data,
        files={ref.filename: None for ref in documentation.artifacts},
        not_analysed=_not_analysed(documentation.output),
        advice=documentation.output.get("advice"),
    )


def _without_task(source: ReportSource, clone: str) -> Section:
    skipped = source.state in (None, "skipped")
    return Section(
        task_type=source.task_type,
        clone=clone,
        state="skipped" if skipped else "failed",
        error_code=source.code or ("not_requested" if skipped else source.state or ""),
        error_message=source.message or ("It was not asked for." if skipped else "It came to no task."),
    )


def _without_result(source: ReportSource, task_id: str) -> Section:
    return Section(
        task_type=source.task_type,
        task_id=task_id,
        clone="",
        state="failed",
        error_code=source.code or "no_result",
        error_message=source.message or "The task had no result when the report was written.",
    )


async def _trail(network: Network, task_type: str, task_id: str, sequence: int | None) -> AsyncIterator[AuditEntry]:
    """Yield the ledger's entries about one task: its assignment, its events and its result."""
    subjects = network.subjects
    start = 1
    if sequence is not None and (message := await entry(network, sequence)) is not None:
        told = _audit_entry(message, sequence_id(message.sequence))
        parsed = subjects.parse_task(message.subject)
        # Whoever asks for a report names the sequence, and may not read what else is in the ledger.
        if parsed is not None and (parsed.task_type, told.task_id) == (task_type, task_id):
            yield told
            start = sequence
    for subject in (subjects.event(task_type, task_id), subjects.result(task_type, task_id)):
        async for message in entries(network, subject, start=start):
            yield _audit_entry(message, task_id)


def _audit_entry(message: StoredMessage, task_id: str) -> AuditEntry:
    try:
        head = msgspec.json.decode(message.data, type=_Head)
    except msgspec.DecodeError:
        head = _Head(type="unreadable")
    return AuditEntry(
        seq=message.sequence,
        time=message.stored_at,
        subject=message.subject,
        kind=head.type,
        task_id=head.task_id or head.id or task_id,
        clone=head.clone,
    )
