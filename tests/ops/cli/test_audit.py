"""`sanctuary audit` on a real server."""

import asyncio
import json
from pathlib import Path
from typing import Any

from bus.jetstream import publish
from schemas import TaskAssignment
from tests.ops.rig import WITHIN_S, OpsRig


async def test_tail_prints_the_last_entries_and_stops(ops_rig: OpsRig) -> None:
    for number in range(30):
        await ops_rig.bus.submitter.submit("testing" if number % 2 else "security", TaskAssignment(id=f"t{number}"))
    plain = await ops_rig.cli("audit", "tail", "--no-follow")
    some = await ops_rig.cli("audit", "tail", "--no-follow", "--last", "2", "--type", "security", "--json")
    late = await ops_rig.cli("audit", "tail", "--no-follow", "--from", "29", "--json")
    both = await ops_rig.cli("audit", "tail", "--from", "2", "--last", "2")

    assert [line.split()[0] for line in plain.out.splitlines()] == [f"#{number}" for number in range(11, 31)]
    assert [json.loads(line)["task_id"] for line in some.out.splitlines()] == ["t26", "t28"]
    assert [json.loads(line)["sequence"] for line in late.out.splitlines()] == [29, 30]
    assert both.status == 2


async def test_tail_begins_and_ends_where_it_is_told(ops_rig: OpsRig) -> None:
    for number in range(4):
        await ops_rig.bus.submitter.submit("security", TaskAssignment(id=f"t{number}", labels={"n": str(number % 2)}))
    recent = await ops_rig.cli("audit", "tail", "--no-follow", "--since", "1h", "-l", "n=1", "--json")
    ended = await ops_rig.cli("audit", "tail", "--until", "0s", "-n", "1", "--json")
    none = await ops_rig.cli("audit", "tail", "--no-follow", "--until", "1d", "--type", "securty")

    assert [json.loads(line)["task_id"] for line in recent.out.splitlines()] == ["t1", "t3"]
    # It is over as soon as it has begun: what comes is later.
    assert [json.loads(line)["task_id"] for line in ended.out.splitlines()] == ["t3"]
    assert (none.status, none.out) == (0, "")
    assert "No clone serves securty" in none.err


async def test_query_finds_what_is_wanted_in_either_order(ops_rig: OpsRig) -> None:
    for number in range(6):
        task_type = "testing" if number % 2 else "security"
        await ops_rig.bus.submitter.submit(
            task_type, TaskAssignment(id=f"t{number}", params={"target": f"/srv/P{number}"})
        )

    async def ids(*arguments: str) -> list[str]:
        ended = await ops_rig.cli("audit", "query", "--json", *arguments)
        assert "of 6 entries" in ended.err
        return [json.loads(line)["task_id"] for line in ended.out.splitlines()]

    assert await ids("--type", "test-strategy") == ["t5", "t3", "t1"]
    assert await ids("--oldest", "--limit", "2") == ["t0", "t1"]
    assert await ids("--text", "/srv/p3", "--kind", "taskassignment", "-n", "0") == ["t3"]
    lines = await ops_rig.cli("audit", "query", "--type", "security")
    assert [line.split()[0] for line in lines.out.splitlines()] == ["#5", "#3", "#1"]
    assert lines.err.startswith("3 found; looked at 6 of 6 entries in ")
    nothing = await ops_rig.cli("audit", "query", "--realm", "nothing")
    assert (nothing.status, "the ledger NOTHING_LEDGER does not answer" in nothing.err) == (1, True)
    wrong = await ops_rig.cli("audit", "query", "--since", "yesterday")
    assert (wrong.status, wrong.out) == (2, "")
    assert "--since 'yesterday' is no time" in wrong.err
    unknown = await ops_rig.cli("audit", "query", "--kind", "Nope")
    assert unknown.status == 2
    assert "'Nope' is no kind of message: those are TaskAssignment, " in unknown.err
    swapped = await ops_rig.cli("audit", "query", "--since", "1h", "--until", "2h")
    assert (swapped.status, swapped.out) == (2, "")
    assert "nothing lies between --since 1h and --until 2h" in swapped.err


async def test_tail_follows_what_comes(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.submit("security", TaskAssignment(id="before"))
    process = await ops_rig.start("audit", "tail", "--last", "1", "--json")
    assert process.stdout is not None

    async def next_line() -> Any:
        assert process.stdout is not None
        return json.loads(await asyncio.wait_for(process.stdout.readline(), WITHIN_S))

    assert (await next_line())["task_id"] == "before"
    await ops_rig.bus.submitter.submit("security", TaskAssignment(id="after"))
    await ops_rig.bus.publish(b"\xff\x1b[31m", "security")
    line = await next_line()
    assert (line["task_id"], line["kind"], line["message"]["type"]) == ("after", "TaskAssignment", "TaskAssignment")
    line = await next_line()
    assert (line["message"], line["message_text"]) == (None, "\\xff\x1b[31m")
    process.send_signal(2)
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 130


async def test_show_tells_a_task_from_its_beginning_to_its_end(ops_rig: OpsRig, tmp_path: Path) -> None:
    await ops_rig.bus.submitter.submit("security", TaskAssignment(id="parent", labels={"team": "a"}))
    await ops_rig.bus.submitter.submit("testing", TaskAssignment(id="child", parent_id="parent"))
    await ops_rig.bus.submitter.submit("testing", TaskAssignment(id="other"))
    shown = await ops_rig.cli("audit", "show", "parent", "--svg", tmp_path / "case.svg")
    as_json = await ops_rig.cli("audit", "show", "parent", "--json")
    (told,) = as_json.json["tasks"]

    assert shown.out.splitlines()[0] == "security task parent: queued"
    assert "labels team=a" in shown.out
    assert "testing\tchild\tqueued" in shown.out
    assert "other" not in shown.out
    assert (tmp_path / "case.svg").read_text().startswith("<svg")
    assert (told["state"], [span["phase"] for span in told["spans"]]) == ("queued", ["queued"])
    assert [(child["task_id"], child["submitter"]) for child in told["children"]] == [("child", "workflow parent")]


async def test_show_has_the_entries_as_they_stand(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.submit("security", TaskAssignment(id="parent"))
    await ops_rig.bus.submitter.submit("testing", TaskAssignment(id="child", parent_id="parent"))
    await ops_rig.bus.submitter.submit("testing", TaskAssignment(id="other"))
    shown = await ops_rig.cli("audit", "show", "parent", "--entries")
    as_json = await ops_rig.cli("audit", "show", "parent", "--entries", "--json")
    missing = await ops_rig.cli("audit", "show", "nobody")
    assert [line.split()[0] for line in shown.out.splitlines()] == ["#1", "#2"]
    assert [entry["task_id"] for entry in as_json.json["entries"]] == ["parent", "child"]
    assert (missing.status, missing.out) == (1, "")
    assert "there is no task nobody" in missing.err


async def test_show_tells_what_a_number_is_that_no_task_has(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.submit("security", TaskAssignment(id="t"))
    requester, subjects = ops_rig.bus.network.requester, ops_rig.bus.subjects
    order = {"type": "TaskCancel", "task_id": "t", "task_type": "security", "by": "ann"}
    await publish(requester, subjects.command("security"), json.dumps(order).encode())
    verdict = {"type": "TaskCompletion", "task_id": "seq-2", "summary": "it is cancelled"}
    await publish(requester, subjects.settle("command", "seq-2"), json.dumps(verdict).encode())
    shown = await ops_rig.cli("audit", "show", "seq-2")
    as_json = await ops_rig.cli("audit", "show", "seq-2", "--json")
    drawn = await ops_rig.cli("audit", "show", "seq-2", "--svg", "case.svg")
    told = await ops_rig.cli("audit", "show", "seq-3")

    first, asked, said = shown.out.splitlines()
    assert first == "seq-2 is no task, but the command TaskCancel about the security task t:"
    assert "ann" in asked
    assert "it is cancelled" in said
    assert [entry["kind"] for entry in as_json.json["entries"]] == ["TaskCancel", "TaskCompletion"]
    assert (drawn.status, "it is no task" in drawn.err) == (1, True)
    assert (told.status, "there is no task seq-3" in told.err) == (1, True)


async def test_control_characters_stay_out_of_the_terminal(ops_rig: OpsRig) -> None:
    await ops_rig.bus.publish(json.dumps({"params": {"x": "\x1b]0;title\x07"}}).encode(), "security")
    await ops_rig.bus.publish(b"\x1b[2J", "security")
    ended = await ops_rig.cli("audit", "tail", "--no-follow")
    assert len(ended.out.splitlines()) == 2
    assert "\x1b" not in ended.out
    assert "\x07" not in ended.out
