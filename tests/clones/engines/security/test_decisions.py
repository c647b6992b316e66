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
from clones.engines.security.reported import Cleared, Reported
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


KNOWN = rules.load()


def only(*results: Reported) -> Merged:
    (merged,) = merge(results, KNOWN)
    return merged


def flow(rule: str, *lines: int, cwe: int = 78, **more: str) -> Reported:
    steps = [{"path": "a.py", "line": line, "message": "m"} for line in lines]
    values = {"engine": "taint", "rule": f"taint/{rule}", "path": "a.py", "line": lines[-1], "end_line": lines[-1]}
    rated = {"severity": "high", "confidence": "high", "title": "t", "check": "c"}
    return msgspec.convert({**values, **rated, "message": "m", "cwe": cwe, "flow": steps, **more}, Reported)


def test_every_rule_of_both_scanners_is_described(tmp_path: Path) -> None:
    known = rules.load()
    listed = process.run(["bandit", "--help"], cwd=tmp_path, timeout_s=300).stdout.decode()
    of_bandit = set(re.findall(r"^\s+(B\d{3})\s", listed, re.MULTILINE))
    ported = process.run(["ruff", "rule", "--all", "--output-format", "json"], cwd=tmp_path, timeout_s=300).stdout
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
    new_token = msgspec.structs.replace(secret(1, "x"), rule="brand-new-token")
    assert rules.describe(known, new_token).severity == "critical"
    assert rules.describe(known, bandit("B999", 1)).cwe is None
    assert rules.describe(known, flow("command-injection", 1)).title == "t"


def test_results_are_paired_once_each() -> None:
    merged = merge([bandit("B101", 1), bandit("B101", 1), ruff("S101", 1), bandit("B602", 1), ruff("S101", 3)], KNOWN)
    assert [(each.line, each.rule, each.engine) for each in merged] == [
        (1, "B101", "bandit+ruff"),
        (1, "B101", "bandit"),
        (1, "B602", "bandit"),
        (3, "B101", "ruff"),
    ]


def test_two_rules_for_one_weakness_on_a_line_are_one_finding() -> None:
    both = only(bandit("B308", 1), bandit("B703", 1), ruff("S308", 1))
    assert (both.rule, both.engine, len(both.reported)) == ("B308", "bandit+ruff", 3)
    assert len(merge([bandit("B308", 1), bandit("B703", 2)], KNOWN)) == 2


def test_the_same_line_pairs_before_the_nearest() -> None:
    merged = merge([bandit("B607", 1, 9), bandit("B607", 4), ruff("S607", 5), ruff("S607", 4)], KNOWN)
    assert [(each.line, [result.line for result in each.reported]) for each in merged] == [(1, [1, 5]), (4, [4, 4])]


def test_a_password_that_gitleaks_found_is_one_finding() -> None:
    results = [bandit("B105", 1), ruff("S105", 1), secret(1, "x" * 20), secret(2, "y" * 20), bandit("B602", 1)]
    merged = merge(results, KNOWN)
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
        ((flow("command-injection", 1),), "run()", False),
        ((flow("command-injection", 1),), "run()  # nosec", True),
        ((flow("command-injection", 1),), "run()  # nosec B101", False),
        ((flow("command-injection", 1), bandit("B602", 1, suppressed=True)), "run()  # nosec B602", True),
        ((flow("command-injection", 1, 5), bandit("B602", 1, suppressed=True)), "run()", False),
    ],
)
def test_who_may_take_a_finding_back(results: tuple[Reported, ...], source: str, expected: bool) -> None:
    assert is_suppressed(only(*results), [source]) is expected


def test_fingerprints_tell_equal_lines_apart_and_ignore_space() -> None:
    merged = merge([bandit("B101", 1), bandit("B101", 2), bandit("B101", 3)], KNOWN)
    lines = {1: "assert  x", 2: "  assert x", 3: "assert y"}
    names = fingerprints(merged, lambda each: lines[each.line])
    assert len(set(names)) == 3
    assert names[0] == fingerprints(merge([bandit("B101", 9)], KNOWN), lambda _: "assert x ")[0]


def test_ratings_are_lowered_where_code_does_not_ship() -> None:
    known = rules.load()
    shell = only(bandit("B602", 1, severity="high"))
    assert judge(shell, known["B602"], "", "run()").severity == "high"
    lowered = judge(shell, known["B602"], "test code", "run()")
    assert (lowered.severity, "not high" in lowered.note) == ("low", True)
    assert judge(shell, known["B602"], "documentation or an example", "run()").severity == "high"
    token = only(msgspec.structs.replace(secret(1, "x" * 20), rule="github-pat"))
    described = rules.describe(known, token.reported[0])
    assert judge(token, described, "", "").severity == "critical"
    assert judge(token, described, "test code", "").severity == "medium"
    loaded = only(ruff("S301", 1))
    assert judge(loaded, known["B301"], "", "pickle.loads(data)").severity == "medium"
    assert judge(loaded, known["B301"], "", "pickle.loads(pickle.dumps(data))").severity == "low"


def test_only_what_is_no_finding_is_set_aside() -> None:
    assertion = only(bandit("B101", 1))
    assert "tests" in set_aside(assertion, "test code", "assert is_admin")
    assert set_aside(assertion, "", "assert x")
    assert not set_aside(assertion, "", "assert user.is_admin")
    assert set_aside(only(bandit("B406", 1)), "", "from xml.sax.saxutils import escape")
    assert set_aside(only(bandit("B404", 1), ruff("S404", 1)), "", "import subprocess")
    assert set_aside(only(bandit("B603", 1)), "", "subprocess.run(command)")
    assert not set_aside(only(bandit("B602", 1)), "", "subprocess.run(command, shell=True)")
    assert set_aside(only(bandit("B202", 1)), "", 'archive.extractall(into, filter="data")')
    assert not set_aside(only(bandit("B202", 1)), "", 'archive.extractall(into, filter="fully_trusted")')
    assert set_aside(only(bandit("B311", 1)), "", "random.choice(colours)\ndef paint():")
    assert not set_aside(only(bandit("B311", 1)), "", "random.choice(letters)\ndef new_password():")
    assert set_aside(
        only(bandit("B311", 1)), "", "    colour = random.choice(colours)  # no token\ndef new_password():"
    )
    assert not set_aside(only(bandit("B311", 1)), "", "    self.token: str = random.choice(letters)\ndef paint():")
    assert set_aside(only(bandit("B113", 1)), "", 'requests.codes.get("OK")')
    assert not set_aside(only(bandit("B113", 1)), "", 'requests.get("http://localhost")')


@pytest.mark.parametrize(
    ("value", "line", "expected"),
    [
        ("None", '"SECRET_KEY": None,', True),
        ("(", 'if token == "("', True),
        ("Enter the password", 'password = "Enter the password"', True),
        ("Password: ", 'password = "Password: "', True),
        ("/oauth/token", 'token_url = "/oauth/token"', True),
        ("https://example.com/token", 'token = "https://example.com/token"', True),
        ("access-token", 'ACCESS_TOKEN = "access-token"', True),
        ("DB_PASSWORD", 'password = "DB_PASSWORD"', True),
        ("%(user)s:%(pw)s", 'password = "%(user)s:%(pw)s"', True),
        ("your-password-here", 'password = "your-password-here"', True),
        ("password", 'password = "password"', False),
        ("correct horse battery staple", 'password = "correct horse battery staple"', False),
        ("100%secret", 'password = "100%secret"', False),
        ("P@$sw0rd", 'password = "P@$sw0rd"', False),
        ("hunter2", 'PASSWORD = "hunter2"', False),
    ],
)
def test_a_text_that_is_no_password(value: str, line: str, expected: bool) -> None:
    each = only(bandit("B105", 1, message=f"Possible hardcoded password: '{value}'"))
    assert bool(set_aside(each, "", line)) is expected


def test_passwords_of_tests_are_made_up_unless_they_are_recognised() -> None:
    password = bandit("B105", 1, message="Possible hardcoded password: 'hunter2'")
    assert set_aside(only(password), "test code", 'password = "hunter2"')
    assert not set_aside(only(secret(1, "x" * 20), password), "test code", 'password = "[redacted]"')


def test_a_text_that_only_ruff_reports_may_be_a_password() -> None:
    nothing = only(bandit("B105", 1, message="Possible hardcoded password: 'None'"), ruff("S105", 1))
    assert not set_aside(nothing, "", 'SECRET_KEY = "None"')  # ruff reports texts alone
    assert not set_aside(only(ruff("S105", 1)), "", 'SECRET_KEY = "Enter it"')


def test_what_a_flow_passes_over_is_one_finding_with_it() -> None:
    results = [
        bandit("B608", 3, 4, severity="medium"),
        ruff("S608", 3, 4),
        flow("sql-injection", 1, 3, 7, cwe=89),
        bandit("B602", 7, severity="high"),
        bandit("B608", 9),
    ]
    merged = merge(results, KNOWN)
    assert [(each.line, each.rule, each.engine) for each in merged] == [
        (7, "B602", "bandit"),
        (7, "taint/sql-injection", "taint+bandit+ruff"),
        (9, "B608", "bandit"),
    ]
    assert [step.line for step in merged[1].flow] == [1, 3, 7]
    verdict = judge(merged[1], rules.describe(KNOWN, merged[1].reported[0]), "", "execute(query)", followed=True)
    assert (verdict.severity, verdict.confidence) == ("high", "high")


def test_two_flows_and_two_advisories_stay_two() -> None:
    flows = merge([flow("a", 1, 3, 7), flow("b", 2, 3, 9)], KNOWN)
    assert [each.line for each in flows] == [7, 9]
    (shortest,) = merge([flow("a", 1, 2, 3, 7), flow("a", 5, 7)], KNOWN)
    assert ([step.line for step in shortest.flow], len(shortest.reported)) == ([5, 7], 2)
    advisory = msgspec.structs.replace(flow("x", 1, cwe=400), engine="osv", flow=())
    assert len(merge([advisory, msgspec.structs.replace(advisory, rule="y")], KNOWN)) == 2


def test_what_was_followed_and_found_harmless_is_set_aside() -> None:
    shell = only(bandit("B602", 3, 5, severity="high"), ruff("S602", 3))
    harmless = Cleared(path="a.py", line=4, cwe=77, why="the command is the constant 'ls'")
    assert "the constant 'ls'" in set_aside(shell, "", "run()", [harmless])
    assert set_aside(shell, "", "run()", [msgspec.structs.replace(harmless, line=1, end_line=9)])
    for other in ({"line": 6}, {"line": 1, "end_line": 2}, {"path": "b.py"}, {"cwe": 89}):
        assert not set_aside(shell, "", "run()", [msgspec.structs.replace(harmless, **other)])
    assert not set_aside(only(flow("command-injection", 1, 4)), "", "run()", [harmless])
    rated = judge(shell, KNOWN["B602"], "", "run()", followed=True)
    assert (rated.severity, rated.confidence, "no value from outside" in rated.note) == ("medium", "low", True)


def test_what_nothing_from_outside_was_followed_to_is_a_place_to_review_where_requests_are_taken() -> None:
    shell, hashed = only(bandit("B602", 3, severity="high")), only(bandit("B324", 3, severity="high"))
    review = judge(shell, KNOWN["B602"], "", "run()", followed=True, takes_requests=True)
    assert (review.kind, review.severity, review.confidence) == ("review", "high", "low")
    for followed, takes_requests in ((True, False), (False, True)):
        assert judge(shell, KNOWN["B602"], "", "", followed=followed, takes_requests=takes_requests).kind == "flaw"
    assert judge(hashed, KNOWN["B324"], "", "", followed=True, takes_requests=True).kind == "flaw"
    followed_there = only(flow("command-injection", 1, 3))
    assert judge(followed_there, KNOWN["B602"], "", "", followed=True, takes_requests=True).kind == "flaw"


def test_a_statement_is_harmless_where_nothing_in_its_function_is_not() -> None:
    built = only(bandit("B608", 3))
    harmless = Cleared(path="a.py", line=7, cwe=89, why="only constants get there", function=(1, 8))
    assert "only constants" in set_aside(built, "", "query = f'select {x}'", [harmless])
    assert not set_aside(only(bandit("B608", 9)), "", "query = f'select {x}'", [harmless])
    assert not set_aside(built, "", "query", [msgspec.structs.replace(harmless, function=(0, 0))])
    assert not set_aside(only(bandit("B602", 3)), "", "run()", [msgspec.structs.replace(harmless, cwe=78)])


def test_reading_xml_with_expat_is_no_finding_by_itself() -> None:
    assert "expat" in set_aside(only(bandit("B318", 3)), "", "minidom.parseString(text)")
    assert not set_aside(only(flow("xxe", 1, 3, cwe=611)), "", "minidom.parseString(text)")


@pytest.mark.parametrize(
    ("told", "is_finding"),
    [
        ("parser.setFeature(handler.feature_external_ges, False)", False),
        ("parser.setContentHandler(own)", False),
        ("parser.setFeature(handler.feature_external_ges, True)", True),
        ("parser.setFeature(getattr(handler, name), value)", True),
    ],
)
def test_a_parser_that_may_be_told_to_follow_entities_is_a_finding(told: str, is_finding: bool) -> None:
    function = f"def read(text, name, value):\n    parser = make_parser()\n    {told}\n"
    aside = set_aside(only(bandit("B317", 2)), "", "parser = make_parser()", function=function)
    assert bool(aside) is not is_finding
    assert set_aside(only(bandit("B318", 2)), "", "minidom.parseString(text)", function=function)


def test_a_fingerprint_survives_another_scanner_and_goes_by_a_key() -> None:
    def name(*results: Reported) -> str:
        return fingerprints([only(*results)], lambda _: "os.system(x)")[0]

    assert name(bandit("B605", 3)) == name(ruff("S605", 8)) == name(bandit("B605", 5), flow("command-injection", 1, 5))
    assert name(bandit("B605", 3)) != name(bandit("B307", 3))
    keyed = flow("command-injection", 1, 5, key="f os.system request.args")
    assert name(keyed) == name(msgspec.structs.replace(keyed, line=9, end_line=9)) != name(bandit("B605", 5))
    assert name(keyed, bandit("B605", 5)) == name(bandit("B605", 5))
    advisory = msgspec.structs.replace(flow("x", 1), engine="osv", flow=(), key="urllib3 CVE-2023-1")
    assert name(advisory) == fingerprints([only(advisory)], lambda _: "urllib3==1.0  # moved")[0]


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
        (
            [secret(1, "topsecret"), secret(1, "topsecret-2"), secret(2, "other1")],
            "topsecret-2 other1",
            "[redacted] [redacted]",
        ),
    ],
)
def test_lines_are_freed_of_secrets(results: list[Reported], line: str, expected: str) -> None:
    redactor = Redactor(results, {"a.py": [line, "topsecret"]})
    assert redactor.line("a.py", 1, line) == expected
    for result in results:
        assert "abc" not in redactor.message(result)
