"""`sanctuary ask`: files, past results and decisions, with and without a network."""

from pathlib import Path

from bus.jetstream import publish
from bus.task import Done, Task
from schemas import Decision, encode
from tests.ops.rig import OpsRig

QUESTION = "who may open the drawer?"


def project(directory: Path) -> Path:
    directory.mkdir()
    (directory / "README.md").write_text("# Shop\n\nSells things.\n\n## Drawers\n\nA keeper opens drawers.\n")
    (directory / "till.py").write_text('def openDrawer():\n    """Let the keeper in."""\n')
    (directory / "odd.md").write_text("# Odd\n\nthe drawer \x1b[31mred\n")
    return directory


async def test_without_a_network_files_answer(ops_rig: OpsRig, tmp_path: Path) -> None:
    shop = project(tmp_path / "shop")
    before = sorted(shop.rglob("*"))
    named = await ops_rig.cli("ask", QUESTION, "-t", shop, "--server", "nats://127.0.0.1:9")
    unnamed = {name: value for name, value in ops_rig.environment.items() if not name.startswith("NATS_")}
    ops_rig.environment = {**unnamed, "SANCTUARY_STORE": str(tmp_path / "no-network")}
    plain = await ops_rig.cli("ask", QUESTION, "-t", shop)
    told = await ops_rig.cli("ask", QUESTION, "-t", shop, "--json", "--limit", "2")
    nothing = await ops_rig.cli("ask", "zzyzx", "-t", shop)
    empty = await ops_rig.cli("ask", "?!", "-t", shop)
    missing = await ops_rig.cli("ask", QUESTION, "-t", tmp_path / "nowhere")

    assert plain.status == 0, plain.err
    assert {line.split()[0] for line in plain.out.splitlines() if line[:1] not in ("", " ")} == {
        "README.md:5",
        "till.py:1",
        "odd.md:1",
    }
    assert "\x1b" not in plain.out
    assert plain.err.startswith("Only files are searched: no network runs on")
    assert [each["location"] for each in told.json["answers"]] == ["till.py:1", "README.md:5"]
    assert (told.json["network"], told.json["words"]) == (False, ["open", "drawer"])
    assert (nothing.status, nothing.out) == (1, "")
    assert "Nothing says anything about zzyzx" in nothing.err
    assert (empty.status, missing.status, named.status) == (2, 2, 1)
    assert sorted(shop.rglob("*")) == before


async def test_past_results_and_decisions_answer_too(ops_rig: OpsRig, tmp_path: Path) -> None:
    async def find(task: Task) -> Done:
        finding = {"title": "drawer left open", "file": "till.py", "line": 1, "message": "anybody reaches in"}
        return Done(summary="1 finding", output={"data": {"findings": [finding]}})

    shop = project(tmp_path / "shop")
    decision = Decision(
        workflow_id="release-7", step="ship", verdict="reject", decided_by="ann", comment="the drawer jams"
    )
    await publish(ops_rig.bus.network.requester, ops_rig.bus.subjects.command("workflow"), encode(decision))
    async with ops_rig.clone("beta", find):
        called = await ops_rig.cli("call", "security", "--id", "t1", "-t", shop)
        assert called.status == 0, called.err
        past = await ops_rig.cli("ask", "does anybody reach in?", "-t", shop, "-n", "1", "--json")
        decided = await ops_rig.cli("ask", "why was release-7 rejected?", "-t", shop, "-n", "1")

    [answer] = past.json["answers"]
    assert (answer["location"], answer["command"], past.json["network"]) == ("task t1", "sanctuary task show t1", True)
    assert "drawer left open: anybody reaches in (till.py:1)" in answer["text"]
    assert decided.out.startswith("ledger #1  decision decision of release-7")
    assert "decided_by: ann" in decided.out
    assert "comment: the drawer jams" in decided.out
