"""The decisions that need no scanner: merging, rating, redaction, and the table of rules."""

import re
from pathlib import Path

import msgspec
import pytest

from clones.engines import process
from clones.engines.security import rules
from clones.engines.security.judge import context, judge, set_aside
from clones.engines.security.merge import Merged, fingerprints, is_suppressed, merge
from clones.engines.security.redact import Redactor
from clones.engines.security.reported import Reported
from clones.engines.security.scope import test_directories as directories_of_tests


def bandit(rule: str, line: int, end: int | None = None, **more: str | bool) -> Reported:
    values = {"severity": "low", "confidence": "high", "message": "m"} | more
    return msgspec.convert(
        {"engine": "bandit", "rule": rule, "path": "a.py", "line": line, "end_line": end or line} | values, Reported
    )


def ruff(rule: str, line: int, end: int | None = None, **more: str | bool) -> Reported:
    values = {"message": "m"} | more
    return msgspec.convert(
        {"engine": "ruff", "rule": rule, "path": "a.py", "line": line, "end_line": end or line} | values, Reported
    )


def secret(line: int, text: str) -> Reported:
    return Reported(engine="gitleaks", rule="jwt", path="a.py", line=line, end_line=line, message="m", secret=text)


def only(*results: Reported) -> Merged:
    (merged,) = merge(results)
    return merged


def test_every_rule_of_both_scanners_is_described(tmp_path: Path) -> None:
    known = rules.load()
    listed = process.run(["bandit", "--help"], cwd=tmp_path, timeout_s=60).stdout.decode()
    of_bandit = set(re.findall(r"^\s+(B\d{3})\s", listed, re.MULTILINE))
    ported = process.run(["ruff", "rule", "--all", "--output-format", "json"], cwd=tmp_path, timeout_s=60).stdout
    of_ruff = {
        rules.shared_id(each["code"])
        for each in msgspec.json.decode(ported)
        if each["linter"] == "flake8-bandit" and "Stable" in each["status"]
    }
    assert len(of_bandit) > 60
    assert of_bandit <= known.keys()
    assert of_ruff <= known.keys()
    assert known["B307"].cwe == 95
    assert known["B324"].cwe == 328
    assert rules.describe(known, "brand-new-token").severity == "critical"
    assert rules.describe(known, "B999").cwe is None


def test_results_are_paired_once_each() -> None:
    merged = merge([bandit("B101", 1), bandit("B101", 1), ruff("S101", 1), bandit("B602", 1), ruff("S101", 3)])
    assert [(each.line, each.rule, each.engine) for each in merged] == [
        (1, "B101", "bandit+ruff"),
        (1, "B101", "bandit"),
        (1, "B602", "bandit"),
        (3, "B101", "ruff"),
    ]


def test_the_same_line_pairs_before_the_nearest() -> None:
    merged = merge([bandit("B607", 1, 9), bandit("B607", 4), ruff("S607", 5), ruff("S607", 4)])
    assert [(each.line, [result.line for result in each.reported]) for each in merged] == [(1, [1, 5]), (4, [4, 4])]


def test_a_password_that_gitleaks_found_is_one_finding() -> None:
    merged = merge([bandit("B105", 1), ruff("S105", 1), secret(1, "x" * 20), secret(2, "y" * 20), bandit("B602", 1)])
    assert [(each.rule, each.engine) for each in merged] == [
        ("B602", "bandit"),
        ("jwt", "gitleaks+bandit+ruff"),
        ("jwt", "gitleaks"),
    ]


@pytest.mark.parametrize(
    ("results", "source", "expected"),
    [
        ((bandit("B602", 1), ruff("S602", 1)), "run()", False),
        ((bandit("B602", 1, suppressed=True), ruff("S602", 1)), "run()  # nosec", True),
        ((bandit("B602", 1), ruff("S602", 1, suppressed=True)), "run()  # noqa: E501, S602", True),
        ((bandit("B602", 1), ruff("S602", 1, suppressed=True)), "run()  # noqa", False),
        ((ruff("S602", 1, suppressed=True),), "run()  # noqa", True),
        ((secret(1, "x" * 20), bandit("B105", 1, suppressed=True)), "token  # nosec", False),
    ],
)
def test_who_may_take_a_finding_back(results: tuple[Reported, ...], source: str, expected: bool) -> None:
    assert is_suppressed(only(*results), [source]) is expected


def test_fingerprints_tell_equal_lines_apart_and_ignore_space() -> None:
    merged = merge([bandit("B101", 1), bandit("B101", 2), bandit("B101", 3)])
    lines = {1: "assert  x", 2: "  assert x", 3: "assert y"}
    names = fingerprints(merged, lambda each: lines[each.line])
    assert len(set(names)) == 3
    assert names[0] == fingerprints(merge([bandit("B101", 9)]), lambda _: "assert x ")[0]


def test_ratings_are_lowered_where_code_does_not_ship() -> None:
    known = rules.load()
    shell = only(bandit("B602", 1, severity="high"))
    assert judge(shell, known["B602"], "", "run()").severity == "high"
    lowered = judge(shell, known["B602"], "test code", "run()")
    assert (lowered.severity, "not high" in lowered.note) == ("low", True)
    assert judge(shell, known["B602"], "documentation or an example", "run()").severity == "high"
    token = only(msgspec.structs.replace(secret(1, "x" * 20), rule="github-pat"))
    described = rules.describe(known, "github-pat")
    assert judge(token, described, "", "").severity == "critical"
    assert judge(token, described, "test code", "").severity == "medium"
    loaded = only(ruff("S301", 1))
    assert judge(loaded, known["B301"], "", "pickle.loads(data)").severity == "medium"
    assert judge(loaded, known["B301"], "", "pickle.loads(pickle.dumps(data))").severity == "low"


def test_only_what_is_no_finding_is_set_aside() -> None:
    assertion = only(bandit("B101", 1))
    assert set_aside(assertion, "test code", "assert x")
    assert not set_aside(assertion, "", "assert x")
    nothing = only(bandit("B105", 1, message="Possible hardcoded password: 'None'"))
    assert set_aside(nothing, "", '"SECRET_KEY": None,')
    # ruff reports texts alone, so here the text is "None"
    assert not set_aside(only(*nothing.reported, ruff("S105", 1)), "", 'SECRET_KEY = "None"')
    assert set_aside(only(bandit("B406", 1)), "", "from xml.sax.saxutils import escape")
    assert not set_aside(only(bandit("B406", 1)), "", "import xml.sax")
    assert set_aside(only(bandit("B113", 1)), "", 'requests.codes.get("OK")')
    assert not set_aside(only(bandit("B113", 1)), "", 'requests.get("http://localhost")')


def test_a_directory_of_tests_holds_tests() -> None:
    tests = directories_of_tests(("t/unit/test_app.py", "django/test/client.py", "lib/tests/conftest.py"))
    assert tests == {"t", "lib/tests"}
    assert context("t/unit/helpers.py", tests) == "test code"
    assert context("django/test/client.py", tests) == ""
    assert context("scripts/test_smoke.py", tests) == "test code"
    assert context("Examples/app.py", tests) == "documentation or an example"


@pytest.mark.parametrize(
    ("results", "line", "expected"),
    [
        ([bandit("B105", 1, message="password: 'abc'")], 'd["key"] = "abc"', 'd["key"] = "[redacted]"'),
        ([ruff("S105", 1, message='assigned to: "key"')], 'd["key"] = "abc"', 'd["key"] = "[redacted]"'),
        ([bandit("B105", 1, message="password: 'a\nb'")], r'd["key"] = "a\nb"', 'd["[redacted]"] = "[redacted]"'),
        ([ruff("S105", 1, message='to: "key"')], "d['key'] == 'key'", "d['key'] == '[redacted]'"),
        ([bandit("B105", 1, message="password: 'None'")], '"SECRET": None,', '"SECRET": None,'),
        ([bandit("B105", 1, message="password: 'open'")], 'token = """open', 'token = """[redacted]'),
        (
            [bandit("B106", 1, message="password: 'abc'"), ruff("S106", 1, message='"pw"')],
            "f(pw='abc')",
            "f(pw='[redacted]')",
        ),
        ([secret(1, "topsecret")], "a topsecret b", "a [redacted] b"),
        ([secret(1, "tiny")], "a tiny b", "[redacted]"),
        ([secret(1, "decoded-elsewhere")], "ZGVjb2Rl", "[redacted]"),
        ([secret(2, "topsecret")], "topsecret elsewhere", "[redacted] elsewhere"),
    ],
)
def test_lines_are_freed_of_secrets(results: list[Reported], line: str, expected: str) -> None:
    redactor = Redactor(results, {"a.py": [line, "topsecret"]})
    assert redactor.line("a.py", 1, line) == expected
    for result in results:
        assert "abc" not in redactor.message(result)
