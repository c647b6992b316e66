"""The report from hand-made reviews of all shapes: what it says, what it must never do, and that both pages agree."""

import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import NotAnalysed
from clones.engines.report import Section
from clones.engines.report.parts import MAX_PLACES
from tests.clones.engines.report.inputs import (
    DATA,
    DOCUMENTATION,
    PICTURES,
    SECURITY,
    TESTING,
    failed,
    review,
    section,
)
from tests.clones.engines.report.reading import Page, markdown_tokens
from tests.clones.engines.report.writing import HOSTILE, Written, cells, poisoned, write


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Written:
    pictures, out = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("report")
    return write(review(*(section(task_type, pictures) for task_type in DATA)), out)


@pytest.fixture(scope="module")
def complete_texts(complete: Written) -> tuple[str, str]:
    return complete.texts


FACTS = (
    # the summary
    "Review of shop|shop",
    "/work/shop",
    "4f2a9c1",
    "2026-03-01 12:01:00 UTC",
    "5 of 5 tasks completed.",
    "4 findings",
    "2 high · 1 medium · 1 low",
    "1 import cycle",
    "31 modules, 88 imports, 3 layers",
    "1,227 of 1,234 tests passed",
    "2 failed · 1 error · 3 skipped · 1 xfailed",
    "cover 99.9% of lines, 71.0% of branches",
    "73.8% of public objects documented",
    "42 of 160 have no docstring",
    "3 tests failed or broke",
    "Cart.total has a cyclomatic complexity of 27",
    # security
    "A shell gets text from outside",
    "src/shop/run.py:17",
    "src/shop/jobs.py:230 and 1 more place|src/shop/jobs.py:230",
    "src/shop/old.py:5",
    "src/shop/x.py:44",
    "subprocess.run(command_230, shell=True)",
    "cwe.mitre.org/data/definitions/78.html",
    "src/shop/web.py:8 args of the request|src/shop/web.py:8 args of the request",
    "src/shop/web.py:9 passed as command",
    "src/shop/run.py:17 new",
    "Since v1.2.0: 1 new, 1 fixed, 3 the same.",
    "src/shop/gone.py:12",
    ".sanctuary-baseline.sarif knows 9 findings; 6 found again, 3 gone.",
    "src/shop/report.py:71",
    "A shell may get text from outside",
    "src/shop/maybe.py:33",
    "16 places to review",
    "accepted by Ada until 2026-12-31: an enumeration",
    "high confidence",
    "sed -n '230p' src/shop/jobs.py: follow the argument back.|sed -n '230p' src/shop/jobs.py : follow",
    # architecture
    "shop.cart",
    "src/shop/cart.py:61",
    "0.08",
    # tests
    "2,499 of 2,500",
    "142 of 200",
    "3-5, 9",
    "tests/test_cart.py::test_total",
    "4.2 s",
    "assert 3 == 4",
    "tests/test_db.py:88",
    "python -m pytest 'tests/a b'",
    "pytest 9.0.2",
    # performance
    "3.2 s",
    "40.0%",
    "2.6 s",
    # documentation
    "118 of 160 public objects",
    "shop.db.query42",
    "src/shop/db.py:42",
    # time, gaps, trail
    "11.5 s from the first task stored to the last one ended",
    "37.5 s in all",
    "testing.bin",
    "not text",
    "sanctuary task show id-security",
    "sanctuary audit show id-documentation",
    "sanctuary.event.testing.id-testing",
    "404",
)


@pytest.mark.parametrize("fact", FACTS)
def test_both_pages_tell_every_fact(fact: str, complete_texts: tuple[str, str]) -> None:
    for text in complete_texts:
        assert any(version in text for version in fact.split("|")), fact


def test_both_pages_name_each_finding_once_in_its_part(complete: Written) -> None:
    findings = SECURITY["findings"]
    parts = (
        complete.html.split('id="task-security"')[1].split('id="task-architecture"')[0],
        complete.markdown.split("\n## Security")[1].split("\n## Architecture")[0],
    )
    places = {f"{finding['file']}:{finding['line']}" for finding in findings}
    assert len(re.findall("<li data-place>", parts[0])) == len(findings)
    for place in places:
        assert parts[0].replace("<wbr>", "").count(f">{place}<") == 1
        assert parts[1].count(f"- `{place}`") == 1


def test_pictures_are_images_in_the_page(complete: Written) -> None:
    images = complete.page.all("img")
    assert len(images) == len(PICTURES)
    for image, task_type in zip(images, PICTURES, strict=True):
        content = b64decode(str(image["src"]).partition(",")[2]).decode()
        assert f"<text>{task_type}</text>" in content
        assert image["alt"]
    assert "<script>alert(1)</script>" not in complete.html


def test_failed_tasks_say_so_and_show_nothing_else(tmp_path: Path) -> None:
    written = write(review(*(failed(task_type) for task_type in DATA)), tmp_path)
    for text in written.texts:
        assert "0 of 5 tasks completed, 5 failed." in text
        assert "5 failed" in text
        for task_type in DATA:
            assert f"{task_type} took longer than 60 s" in text
            assert f"sanctuary task show id-{task_type}" in text
        assert "engine_timeout" in text
        assert "Give the task more time" in text
        for invented in ("findings", "import cycle", "tests passed", "Coverage", "Hot", "docstring", "No finding"):
            assert invented not in text.replace("critical and high findings and medium ones", "").replace(
                "failing tests, broken contracts, import cycles", ""
            )
    assert not written.page.all("img")


def test_a_skipped_task_and_no_task_at_all(tmp_path: Path) -> None:
    skipped = Section(task_type="performance", clone="beta", state="skipped", error_message="No command was given.")
    for text in write(review(skipped), tmp_path).texts:
        assert "This task was not run. No command was given." in text
        assert "No task was started." in text
    for text in write(review(), tmp_path).texts:
        assert "No task was run." in text
        assert "Nothing by these rules." in text
        assert "No ledger entry was given to this report." in text


def test_empty_results_are_told_as_such(tmp_path: Path) -> None:
    nothing = {"documented": 0, "total": 0, "percent": None}
    sections = (
        section("security", data={"findings": [], "counts": {}, "engines": [], "files_analysed": 0}),
        section("architecture", data={"modules": 0, "imports": 0, "cycles": []}),
        section("testing", data={"ran": False, "reason": "no tests found", "counts": None, "coverage": None}),
        section("performance", data={"command": [], "hot": []}),
        section("documentation", data={"coverage": nothing}),
    )
    for text in write(review(*sections), tmp_path).texts:
        assert "0 findings" in text
        assert "No finding." in text
        assert "No Python module, so no import graph." in text
        assert "The tests did not run. no tests found" in text
        assert "No public Python object to document." in text
        assert "%" not in text.replace("100%", "")


@pytest.mark.parametrize("task_type", DATA)
def test_data_of_another_shape_spoil_nothing_else(task_type: str, tmp_path: Path) -> None:
    other = "testing" if task_type != "testing" else "security"
    odd = section(task_type, data={"coverage": "much", "findings": 3, "hot": {}, "modules": [], "ran": "yes"})
    for text in write(review(odd, section(other)), tmp_path).texts:
        assert "This part cannot be shown:" in text
        assert ("1,227" if other == "testing" else "command_230") in text


def test_data_that_are_not_at_hand_are_told(tmp_path: Path) -> None:
    for text in write(review(section("documentation", data={})), tmp_path).texts:
        assert "its data are not at hand here; they are in sanctuary task show id-documentation --json" in text


def test_a_task_type_of_the_future_shows_its_summary(tmp_path: Path) -> None:
    for text in write(review(section("licences", data={"x": 1}), section("licences")), tmp_path).texts:
        assert "What licences found." in text


@pytest.mark.parametrize("content", ["nothing there", "not a picture", "too large"])
def test_a_picture_that_cannot_be_shown_is_named(content: str, tmp_path: Path) -> None:
    path = tmp_path / "architecture.svg"
    if content == "not a picture":
        path.write_text("<html>", encoding="utf-8")
    if content == "too large":
        path.write_text("<svg>" + " " * 1_600_000, encoding="utf-8")
    written = write(review(section("architecture", files={"architecture.svg": path})), tmp_path)
    assert not written.page.all("img")
    assert "The picture architecture.svg is not on this page" in written.page.text


@pytest.mark.parametrize("poison", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(poison: str, tmp_path: Path) -> None:
    sections = [
        section(
            task_type,
            data=poisoned(data, poison),
            summary=poison,
            instance=poison,
            clone=poison,
            task_id=poison,
            files={poison: None},
            not_analysed=(NotAnalysed(subject=poison, reason=poison),),
        )
        for task_type, data in DATA.items()
    ]
    sections.append(section("testing", state="failed", error_code=poison, error_message=poison, task_id=poison))
    sections.append(section(poison, state="skipped", error_message=poison))
    report = review(*sections, project=poison, target=poison, revision=poison)

    written = write(report, tmp_path)

    tables = [token for token in markdown_tokens(written.markdown) if token.type in {"tr_open", "td_open", "th_open"}]
    assert len(tables) == cells(write(review(*map(calm, sections)), tmp_path).markdown)
    assert len(written.html) < 6_000_000
    assert ("{{ 7 * 7 }}" in written.page.text) == ("7 * 7" in poison)
    shown = Page((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert not re.search("[\x00\x1b\u202a-\u202e\u2066-\u2069\u200b]", "".join(written.texts) + shown)


def calm(each: Section) -> Section:
    return section(
        each.task_type if each.task_type in DATA else "other",
        state=each.state,
        data=poisoned(each.data, "calm"),
        files={"calm": None},
        not_analysed=(NotAnalysed(subject="calm", reason="calm"),) if each.not_analysed else (),
    )


def many_findings(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        severity = ("critical", "high", "medium", "low")[number % 4]
        yield SECURITY["findings"][0] | {"severity": severity, "line": number + 1, "rule": f"B{number % 40}"}


def test_a_large_review_stays_small_and_counts_everything(tmp_path: Path) -> None:
    findings = list(many_findings(3000))
    counts = dict.fromkeys(("critical", "high", "medium", "low"), 750)
    undocumented = DOCUMENTATION["undocumented"][:1] * 1000
    sections = (
        section("security", data=SECURITY | {"findings": findings, "counts": counts}, files={"security.sarif": None}),
        section(
            "documentation",
            data=DOCUMENTATION
            | {"undocumented": undocumented, "coverage": {"documented": 100, "total": 5100, "percent": 2.0}},
            files={"documentation.json": None},
        ),
        section("testing", data=TESTING | {"failures": TESTING["failures"] * 400}, not_analysed=()),
    )
    written = write(review(*sections), tmp_path)

    assert len(written.html) < 1_000_000
    places = len(re.findall("<li data-place>", written.html))
    assert places == MAX_PLACES
    more = [
        int(number.replace(",", ""))
        for number in re.findall(r"([\d,]+) more (?:findings in|places of)", written.page.text)
    ]
    assert places + sum(more) == 3000
    for text in written.texts:
        assert "3,000 findings" in text
        assert "more findings in security.sarif" in text
        assert "4,940 more objects in documentation.json" in text
        assert "370 more failures in sanctuary task show id-testing --json" in text


def test_counts_are_those_of_the_data_even_where_the_list_was_cut(tmp_path: Path) -> None:
    counts = {"critical": 0, "high": 2, "medium": 1, "low": 501}
    for text in write(review(section("security", data=SECURITY | {"counts": counts})), tmp_path).texts:
        assert "504 findings" in text
        assert "500 more findings in sanctuary task show id-security --json" in text


def test_a_long_flow_is_told_by_its_ends(tmp_path: Path) -> None:
    steps = [{"file": "a.py", "line": line, "message": f"step {line}", "snippet": ""} for line in range(1, 31)]
    data = SECURITY | {"findings": [SECURITY["findings"][0] | {"flow": steps}]}
    for text in write(review(section("security", data=data)), tmp_path).texts:
        told = re.findall(r"a\.py:(\d+)", text)
        assert [int(line) for line in told if int(line) <= 30] == [*range(1, 7), *range(25, 31)]
        assert "18 steps between" in text


def test_a_rule_is_explained_once_and_a_place_that_differs_by_itself(tmp_path: Path) -> None:
    findings = [SECURITY["findings"][0] | {"line": line, "how_to_check": f"look at line {line}"} for line in (1, 2, 3)]
    findings.append(SECURITY["findings"][0] | {"line": 4, "how_to_check": "ask the author", "message": "It differs."})
    data = SECURITY | {"findings": findings, "counts": {}}
    for text in write(review(section("security", data=data)), tmp_path).texts:
        assert text.count("How to check one of them. look at line 1") == 1
        assert "look at line 2" not in text
        assert text.count("How to check. ask the author") == 1
        assert text.count("A shell runs what it gets.") == 1
        assert text.count("It differs.") == 1


def test_what_stands_out_comes_gravest_first(tmp_path: Path) -> None:
    sections = (section("architecture"), section("security"), section("testing"), failed("documentation"))
    page = write(review(*sections), tmp_path).page
    kinds = [str(each["class"]) for each in page.all("span") if str(each.get("class")).startswith("chip")]
    assert kinds[:6] == ["chip bad", "chip high", "chip bad", "chip medium", "chip warn", "chip plain"]


def test_equal_input_gives_equal_pages(tmp_path: Path) -> None:
    report = review(*(section(task_type) for task_type in DATA))
    first = write(report, tmp_path)
    assert write(report, tmp_path)[1:] == first[1:]


def test_tests_that_never_ran_are_counted(tmp_path: Path) -> None:
    cut_short = TESTING | {"collected": 1300, "reason": "the budget of 765 s was used up"}
    written = write(review(section("testing", data=cut_short, not_analysed=())), tmp_path)
    for text in written.texts:
        assert "66 more tests never ran" in text
        assert "66 more never ran" in text
