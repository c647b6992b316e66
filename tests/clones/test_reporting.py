"""What a report is written over, fetched from a real network."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bus.artifacts import Artifacts
from bus.jetstream import publish
from bus.task import Done, Task
from clones.engines.report.model import AuditEntry, ReportInput, Section
from clones.params import DocumentationParams, ReportSource
from clones.reporting import MAX_AUDIT_ENTRIES, MAX_TEXT_BYTES, audited, collect
from schemas import ArtifactRef, SchemaError, TaskCompletion, TaskFailure, TaskProgress, TaskStarted, convert, encode
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig

NOW = datetime.now(UTC)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


def own_task() -> Task:
    """Sigma's own, from which the report is written."""
    return Task(
        id="own",
        task_type="documentation",
        params={"target": "here"},
        attempt=1,
        timeout_s=60,
        instance="sigma-1",
        sequence=1_000_000,
        stored_at=NOW - timedelta(seconds=3),
        started_at=NOW - timedelta(seconds=1),
        labels={},
        parent_id=None,
        traceparent=None,
        report=lambda *_: None,
    )


def documented(**output: Any) -> Done:
    body = {"target": "/src/it.git", "revision": "abc", "data": {"coverage": {}}, "not_analysed": []}
    return Done(summary="documented", output=body | {"not_analysed_total": 0} | output)


async def report(
    rig: ClonesRig, out: Path, *sources: ReportSource, documentation: Done | None = None, **said: Any
) -> tuple[ReportInput, dict[str, Section]]:
    artifacts = Artifacts(rig.network)
    params = DocumentationParams(target="here", report_over=sources, **said)
    found = await collect(
        rig.network, artifacts, own_task(), params, documentation=documentation or documented(), out=out
    )
    return found, {section.task_type: section for section in found.sections}


async def task(rig: ClonesRig, task_type: str, task_id: str) -> ReportSource:
    """Store an assignment."""
    ack = await rig.bus.publish(encode({"id": task_id, "params": {"target": "here"}}), task_type)
    return ReportSource(task_type=task_type, task_id=task_id, sequence=ack.seq)


async def settle(
    rig: ClonesRig, source: ReportSource, output: Mapping[str, Any], *artifacts: ArtifactRef
) -> TaskCompletion:
    completion = TaskCompletion(
        task_id=str(source.task_id),
        task_type=source.task_type,
        clone="some",
        instance="some-1",
        attempt=2,
        started_at=datetime.now(UTC) - timedelta(seconds=2),
        finished_at=datetime.now(UTC),
        writer=str(source.task_id),
        summary="found some",
        output=output,
        artifacts=artifacts,
    )
    await rig.network.results.settle(completion)
    await copied(rig, source)
    return completion


async def copied(rig: ClonesRig, source: ReportSource) -> None:
    """Wait until the ledger holds the result too."""
    subject = rig.subjects.result(source.task_type, str(source.task_id))

    async def there() -> bool:
        return len(await rig.bus.in_stream(rig.subjects.ledger, subject)) == 1

    await eventually(there)


async def event(rig: ClonesRig, source: ReportSource, kind: Any = TaskStarted, **fields: Any) -> None:
    said = kind(
        task_id=source.task_id, task_type=source.task_type, clone="some", instance="some-1", attempt=1, at=NOW, **fields
    )
    await publish(rig.network.requester, rig.subjects.event(source.task_type, str(source.task_id)), encode(said))


async def test_a_section_for_each_type_and_the_trail_in_order(clones_rig: ClonesRig, tmp_path: Path) -> None:
    security, testing = await task(clones_rig, "security", "s"), await task(clones_rig, "testing", "t")
    await event(clones_rig, testing)
    await event(clones_rig, security)
    done = await settle(clones_rig, security, {"data": {"findings": []}, "target": "/src/it"})
    failed = TaskFailure(
        task_id="t",
        task_type="testing",
        code="engine_failed",
        message="no pytest",
        clone="delta",
        instance="delta-1",
        finished_at=datetime.now(UTC),
        writer="t",
    )
    await clones_rig.network.results.settle(failed)
    await copied(clones_rig, testing)
    found, sections = await report(clones_rig, tmp_path, security, testing)
    assert list(sections) == ["security", "testing", "documentation"]
    told = sections["security"]
    assert (told.state, told.summary, told.data, told.attempt) == ("completed", "found some", {"findings": []}, 2)
    assert told.duration_s == (done.finished_at - done.started_at).total_seconds()
    assert told.queued_s is not None
    assert (sections["testing"].state, sections["testing"].error_code) == ("failed", "engine_failed")
    assert sections["testing"].error_message == "no pytest"
    own = sections["documentation"]
    assert (own.state, own.clone, own.queued_s) == ("completed", "sigma", 2.0)
    assert (found.project, found.target, found.revision) == ("it", "/src/it.git", "abc")
    assert (found.network.realm, found.network.server_version) == (
        clones_rig.subjects.realm,
        clones_rig.network.server_version,
    )
    assert [(line.seq, line.kind, line.task_id) for line in found.audit] == [
        (1, "TaskAssignment", "s"),
        (2, "TaskAssignment", "t"),
        (3, "TaskStarted", "t"),
        (4, "TaskStarted", "s"),
        (5, "TaskCompletion", "s"),
        (6, "TaskFailure", "t"),
    ]
    assert [line.subject for line in found.audit][:2] == [
        clones_rig.subjects.task("security"),
        clones_rig.subjects.task("testing"),
    ]


async def test_a_report_alone_has_no_chapter_on_what_wrote_it(clones_rig: ClonesRig, tmp_path: Path) -> None:
    source = await task(clones_rig, "security", "s")
    await settle(clones_rig, source, {"data": {}})
    found, _ = await report(clones_rig, tmp_path, source, report_alone=True)
    assert [section.task_type for section in found.sections] == ["security"]


async def test_a_task_without_a_result_is_told(clones_rig: ClonesRig, tmp_path: Path) -> None:
    source = await task(clones_rig, "security", "s")
    _, sections = await report(clones_rig, tmp_path, source)
    assert (sections["security"].state, sections["security"].error_code) == ("failed", "no_result")


async def test_steps_that_came_to_no_task_are_told_as_the_workflow_tells_them(
    clones_rig: ClonesRig, tmp_path: Path
) -> None:
    sources = [
        ReportSource(task_type="performance", state="skipped", code="", message="No command was given."),
        ReportSource(task_type="architecture", state="skipped", message=""),
        ReportSource(task_type="testing", state="failed", code="invalid_input", message="its parameters are none"),
        ReportSource(task_type="no-such-type", state="cancelled"),
    ]
    found, sections = await report(clones_rig, tmp_path, *sources, workflow="Release check", about="Whether it can go.")
    assert (found.workflow, found.about) == ("Release check", "Whether it can go.")
    assert [
        (each.task_type, each.clone, each.state, each.error_code, each.error_message) for each in found.sections[:-1]
    ] == [
        ("performance", "beta", "skipped", "not_requested", "No command was given."),
        ("architecture", "gamma", "skipped", "not_requested", "It was not asked for."),
        ("testing", "delta", "failed", "invalid_input", "its parameters are none"),
        ("no-such-type", "", "failed", "cancelled", "It came to no task."),
    ]
    assert list(sections)[-1] == "documentation"


async def test_pictures_and_texts_are_fetched_and_what_is_lost_is_named(clones_rig: ClonesRig, tmp_path: Path) -> None:
    source = await task(clones_rig, "architecture", "a")
    artifacts = Artifacts(clones_rig.network)
    picture = tmp_path / "picture.svg"
    picture.write_bytes(SVG)
    kept = await artifacts.put(picture, name="a/1/kept.svg", filename="kept.svg", media_type="image/svg+xml")
    lost = msgspec.structs.replace(kept, name="a/1/lost.svg", filename="lost.svg")
    graph = msgspec.structs.replace(kept, name="a/1/graph.json", filename="graph.json")
    text = msgspec.structs.replace(kept, filename="draft.md")
    long = msgspec.structs.replace(kept, filename="long.md", size_bytes=MAX_TEXT_BYTES + 1)
    page = msgspec.structs.replace(kept, filename="api/index.md")
    await settle(clones_rig, source, {"data": {"modules": 2}}, kept, lost, graph, text, long, page)
    out = tmp_path / "out"
    out.mkdir()
    _, sections = await report(clones_rig, out, source)
    files = sections["architecture"].files
    path = files.pop("kept.svg")
    assert path is not None
    assert path.read_bytes() == SVG
    draft = files.pop("draft.md")
    assert draft is not None
    assert draft.read_bytes() == SVG
    assert files == {"lost.svg": None, "graph.json": None, "long.md": None, "api/index.md": None}


async def test_large_findings_are_fetched(clones_rig: ClonesRig, tmp_path: Path) -> None:
    artifacts = Artifacts(clones_rig.network)
    for name, findings in (("one", b'{"findings":[1]}'), ("two", b'{"coverage":2}'), ("bad", b"[")):
        path = tmp_path / name
        path.write_bytes(findings)
        await artifacts.put(path, name=name, filename="data.json", media_type="application/json")
    sources = [await task(clones_rig, "security", "s"), await task(clones_rig, "testing", "t")]
    sources.append(await task(clones_rig, "architecture", "a"))
    for source, name in zip(sources, ("one", "bad", "none"), strict=True):
        await settle(clones_rig, source, {"data_artifact": name})
    documentation = documented(data_artifact="two")
    del documentation.output["data"]
    out = tmp_path / "out"
    out.mkdir()
    _, sections = await report(clones_rig, out, *sources, documentation=documentation)
    assert sections["security"].data == {"findings": [1]}
    assert sections["documentation"].data == {"coverage": 2}
    # Not to be had: a completed section without data says so on the page.
    assert (sections["testing"].data, sections["architecture"].data) == ({}, {})


async def test_what_the_results_do_not_name_is_counted(clones_rig: ClonesRig, tmp_path: Path) -> None:
    left_out = [{"subject": "a.py", "reason": "syntax"}, {"subject": "b.py", "reason": "syntax"}]
    body = {"not_analysed": left_out, "not_analysed_total": 9}
    source = await task(clones_rig, "security", "s")
    await settle(clones_rig, source, {"data": {}, **body})
    _, sections = await report(clones_rig, tmp_path, source, documentation=documented(**body))
    for task_type in ("security", "documentation"):
        told = [(each.subject, each.reason) for each in sections[task_type].not_analysed]
        assert told == [
            ("a.py", "syntax"),
            ("b.py", "syntax"),
            ("7 more", "The result names only the first of what was left out."),
        ]


async def test_nothing_of_other_tasks_is_told(clones_rig: ClonesRig, tmp_path: Path) -> None:
    """A report is for whoever asked for it, and the ledger is not."""
    theirs = await task(clones_rig, "security", "theirs")
    await event(clones_rig, theirs)
    await settle(clones_rig, theirs, {"data": {}})
    mine = await task(clones_rig, "testing", "mine")
    guesses = [
        ReportSource(task_type="testing", task_id="mine", sequence=theirs.sequence),
        ReportSource(task_type="security", task_id="mine", sequence=theirs.sequence),
        ReportSource(task_type="testing", task_id="mine", sequence=10**9),
    ]
    for guess in guesses:
        found, _ = await report(clones_rig, tmp_path, guess)
        assert found.audit == ()
    found, _ = await report(clones_rig, tmp_path, mine)
    assert [line.seq for line in found.audit] == [mine.sequence]


@pytest.mark.parametrize(
    "source",
    [
        {"task_type": "*", "task_id": "x"},
        {"task_type": "security", "task_id": ">"},
        {"task_type": "security.x", "task_id": "x"},
        {"task_type": "security", "task_id": "x", "sequence": 0},
        {"task_id": "x"},
        {"task_type": "security", "task_id": "x", "step": "a"},
    ],
)
def test_a_source_is_one_task(source: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        convert(DocumentationParams, {"target": ".", "report_over": [source]})


async def test_a_task_that_came_without_an_id(clones_rig: ClonesRig, tmp_path: Path) -> None:
    ack = await clones_rig.bus.publish(b'{"params":{"target":"here"}}', "security")
    source = ReportSource(task_type="security", task_id=f"seq-{ack.seq}", sequence=ack.seq)
    found, _ = await report(clones_rig, tmp_path, source)
    assert [(line.seq, line.task_id) for line in found.audit] == [(ack.seq, source.task_id)]


async def test_a_long_trail_keeps_its_end(clones_rig: ClonesRig, tmp_path: Path) -> None:
    source = await task(clones_rig, "security", "s")
    await event(clones_rig, source)
    for number in range(MAX_AUDIT_ENTRIES):
        await event(clones_rig, source, TaskProgress, fraction=number / MAX_AUDIT_ENTRIES)
    await settle(clones_rig, source, {"data": {}})
    found, _ = await report(clones_rig, tmp_path, source)
    assert [line.kind for line in found.audit] == ["TaskAssignment", "TaskStarted", "TaskCompletion"]


def test_a_short_trail_is_kept_whole_and_in_order() -> None:
    trail = [AuditEntry(seq=seq, time=NOW, subject="s", kind="TaskProgress") for seq in range(MAX_AUDIT_ENTRIES)]
    assert audited(reversed(trail)) == tuple(trail)
