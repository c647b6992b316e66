"""`sanctuary report` on a real server."""

from pathlib import Path

from bus.task import Done, Task
from schemas import DecisionMade
from tests.ops.rig import OpsRig
from tests.ops.runs import HandMade, store


async def test_a_task_is_told_of(ops_rig: OpsRig, tmp_path: Path) -> None:
    async def find(task: Task) -> Done:
        finding = {"severity": "high", "title": "drawer open", "file": "till.py", "line": 3, "message": "shut it"}
        failure = {"test": "test_till.py::test_opens", "message": "stuck", "file": "test_till.py", "line": 7}
        data = {"findings": [finding], "failures": [failure]}
        return Done(summary="1 finding", output={"target": "shop", "data": data})

    own = tmp_path / "own.md"
    own.write_text("{{ id | code }} of {{ target }}: {{ findings | length }} found, {{ counts.high }} high\n")
    async with ops_rig.clone("beta", find):
        called = await ops_rig.cli("call", "security", "--id", "t1", "-t", str(tmp_path))
        assert called.status == 0, called.err
        incident = await ops_rig.cli("report", "incident", "t1")
        mine = await ops_rig.cli("report", own, "t1")
        missing = await ops_rig.cli("report", "incident", "t2")
    assert "- **high**: drawer open (`till.py:3`): shut it" in incident.out
    assert "- **high**: test_till.py::test_opens fails (`test_till.py:7`): stuck" in incident.out
    assert ": completed" in incident.out
    assert mine.out == "`t1` of shop: 2 found, 2 high\n"
    assert (missing.status, missing.out) == (1, "")
    assert "t2" in missing.err


async def test_what_breaks_for_users_is_told_whoever_says_so(ops_rig: OpsRig, tmp_path: Path) -> None:
    async def compare(task: Task) -> Done:
        entries = [
            {"section": "Added", "words": "A faster till", "breaking": "no keys any more"},
            {"section": "Fixed", "words": "The drawer shuts", "breaking": None},
        ]
        return Done(summary="2 entries", output={"data": {"entries": entries, "breaking": [{"text": "pay() is gone"}]}})

    async with ops_rig.clone("beta", compare):
        called = await ops_rig.cli("call", "security", "--id", "t1", "-t", str(tmp_path))
        note = await ops_rig.cli("report", "release-note", "t1")
    assert called.status == 0, called.err
    assert "## Breaking changes\n\n- pay() is gone\n- A faster till: no keys any more\n" in note.out


async def test_a_run_is_told_of_with_its_steps_and_decisions(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await store(network)
    run = HandMade(network, "r1")
    await run.begin()
    await run.tell(run.ended("tests"))
    await run.tell(DecisionMade(step="go", verdict="reject", decided_by="ann", comment="not yet", command=1))
    told = await ops_rig.cli("report", "handover", "r1")
    facts = await ops_rig.cli("report", "handover", "r1", "--json")
    assert told.status == 0, told.err
    assert told.out.startswith("# Hand-over: release of /project\n")
    assert "- ann: reject at `go`: not yet" in told.out
    assert {each["name"]: each["state"] for each in facts.json["steps"]}["tests"] == "completed"
