"""The parts that are made of blocks: what they tell, on both pages, and the statements that a program reads."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.report import Section
from tests.clones.engines.report.flows import FILES, FLOWS, stated
from tests.clones.engines.report.inputs import SVG, failed, review, section
from tests.clones.engines.report.reading import normal
from tests.clones.engines.report.writing import HOSTILE, Written, cells, poisoned, write

DRAFT = "## [Unreleased]\n\n### Added\n\n- Orders can be paid later <b>soon</b>\n"


def flow(task_type: str, directory: Path, **changes: Any) -> Section:
    files: dict[str, Path | None] = {}
    for name in FILES.get(task_type, ()):
        files[name] = directory / name
        (directory / name).write_text(SVG.format(name) if name.endswith(".svg") else DRAFT, encoding="utf-8")
    return section(task_type, data=FLOWS[task_type], **({"files": files} | changes))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Written:
    directory = tmp_path_factory.mktemp("files")
    report = review(
        *(flow(task_type, directory) for task_type in FLOWS),
        workflow="Release check",
        about="Whether `shop` can be released.",
    )
    return write(report, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def texts(whole: Written) -> tuple[str, str]:
    return whole.texts


FACTS = (
    "Release check of shop|Release check shop",
    "Whether shop can be released.",
    "breaking changes of the public surface, commits that are said to break something",
    # API changes
    "61 breaking changes",
    "takes no tax any more",
    "src/shop/cart.py:60",
    "1 more breaking changes in sanctuary task show id-api-changes --json",
    "the major part of the version has to rise",
    "since v1.2.0 (aaaaaaaaaaaa), the newest tag before HEAD",
    "class shop.cart.Empty is new",
    # changelog
    "Orders can be paid later (breaking: orders have no tax) 1111aaaa",
    "9 commits by 2 authors",
    "2 entries for users, drafted",
    "- Orders can be paid later <b>soon</b>",
    "orders have no tax",
    # map
    "Read in this order",
    "shop.cli (90 lines): shop leads here",
    "What somebody wants to buy",
    "1 stop to read it",
    # design
    "class Cart(lines: list[Line] | None)",
    "8 more names in sanctuary task show id-design --json",
    "1 of 1 dependency against the layers",
    "changes pass through it",
    "Let tools keep the layers: what is kept cannot get worse.",
    "Done when the check runs.",
    "design.importlinter of this task in that directory",
    # impact
    "18 of 31 modules reached",
    "7 of 12 files of tests",
    "shop.cart depends on it",
    # knowledge
    "40 documents to read",
    "One thing in a cart",
    "round at the end",
    "python3 search.py knowledge.sqlite WORDS",
    # scalability
    "96.52 at once is the peak, with 378.2",
    "contention 2.77%, coherency 0.0001044",
    "R² 0.9907 over 1 point",
    "-8.5%",
    "59.6%",
    "0.0341 s",
    # mutation
    "of 20 changes noticed by a test",
    "2 changes to the code are noticed by no test",
    "+ if a <= b:",
    # strategy
    "test_total_when_empty: lines empty; expect 0",
    "320.6",
    "Cart.total most needs tests: complexity 27, in a file of 19 commits",
    "62.5%",
    "at the top Cart.total, complexity 27",
    "2 property tests were drafted and run with made-up inputs; of 1 a counterexample was found.",
    "2 property tests drafted and run, 1 with a counterexample",
    "unpack gives back what pack was given; with text=';' that is not so",
    "parse raises nothing, for all of 100 made-up inputs",
    # triage
    "5 of 5 runs fail",
    "eeeeeeeeeeee by Ann brought it: Quicker totals",
    "It says: assert 2 == 3",
    "tests/test_cart.py:5: in test_total",
    "tests/test_cart.py::test_tax",
    # a profile beside an earlier one
    "+520 ms beside v1.2.0",
    "It takes +520 ms beside v1.2.0, most of it in Cart.total",
    "beyond a noise of 40 ms in 3 rounds of each; with 96.8% confidence it lies between +310 ms and +630 ms",
    "Python's objects took 40.0 MiB at the peak",
    "looked at when it was 95.0% of that. The profiled process had 96.0 MiB resident at most.",
    "rows = list(reader)",
    "in searches a list in a loop",
    "keep a set of the same values",
    "60 more places in",
    "+490 ms",
)


@pytest.mark.parametrize("fact", FACTS)
def test_both_pages_tell_every_fact(fact: str, texts: tuple[str, str]) -> None:
    for text in texts:
        assert any(normal(version) in text for version in fact.split("|")), fact


def test_pictures_stand_in_the_page(whole: Written) -> None:
    names = [name for names in FILES.values() for name in names if name.endswith(".svg")]
    assert [str(image["alt"]) for image in whole.page.all("img")] == [
        "Map of the code of shop",
        "Diagram of the proposed components of shop",
        "Plot of the Universal Scalability Law of shop",
    ]
    assert all(name in whole.markdown for name in names)


def test_every_statement_is_told_with_its_check_to_people_and_programs(whole: Written, texts: tuple[str, str]) -> None:
    told = whole.told["statements"]
    assert (whole.told["workflow"], whole.told["target"]) == ("Release check", "/work/shop")
    assert [each["number"] for each in told] == list(range(1, len(told) + 1))
    assert len({(each["task_id"], each["text"], each["how_to_check"]) for each in told}) == len(told)
    ids = {str(attributes.get("id")) for _, attributes in whole.page.elements}
    for each in told:
        assert f"s{each['number']}" in ids
        for text in texts:
            assert normal(each["how_to_check"]) in text
            assert normal(each["text"].replace("`", "")).strip() in text
    (needs,) = (each for each in told if each.get("needs_file") == "design.importlinter")
    assert (needs["section"], needs["expected"]) == ("Design", "1 kept")


def test_what_is_shown_leads_to_its_check_and_what_is_not_shown_is_not_listed(whole: Written) -> None:
    links = [str(each["href"]) for each in whole.page.all("a") if each.get("class") == "ref"]
    assert {f"#s{each['number']}" for each in whole.told["statements"]} == set(links)
    texts = [each["text"] for each in whole.told["statements"] if each["section"] == "API changes"]
    assert len(texts) == 61  # 60 of the breaking ones, and the addition
    assert not any("total61" in text for text in texts)


def test_a_statement_that_is_made_twice_has_one_number(tmp_path: Path) -> None:
    once = stated("It holds")
    data = {"ran": True, "entries": [], "totals": {}, "facts": [once, once]}
    written = write(review(section("changelog", data=data)), tmp_path)
    assert len(written.told["statements"]) == 1
    assert written.html.count('href="#s1"') == 2


@pytest.mark.parametrize("task_type", ["api-changes", "changelog"])
def test_what_could_not_be_done_is_told_with_its_reason(task_type: str, tmp_path: Path) -> None:
    data = {"ran": False, "reason": "the target has no git history"}
    for text in write(review(section(task_type, data=data)), tmp_path).texts:
        assert text.count("the target has no git history") >= 2


def test_where_nothing_was_found_the_parts_say_so(tmp_path: Path) -> None:
    empty = {
        "triage": ({"subjects": []}, "Nothing fails"),
        "strategy": ({"ranked": [], "functions": 3}, "of 3 functions"),
        "design": ({"components": []}, "no Python module to propose for"),
        "code-map": ({"modules": 0, "lines": 0}, "no Python module to map"),
        "knowledge": ({"documents": []}, "0 documents to read"),
        "impact": ({"modules": [], "totals": {"all_modules": 4}}, "0 of 4 modules reached"),
    }
    written = write(review(*(section(name, data=data) for name, (data, _) in empty.items())), tmp_path)
    for text in written.texts:
        for _, said in empty.values():
            assert said in text
        assert "Nothing by these rules." in text
    assert written.told["statements"] == []


@pytest.mark.parametrize("task_type", FLOWS)
def test_data_of_another_shape_spoil_nothing_else(task_type: str, tmp_path: Path) -> None:
    odd = section(task_type, data={"modules": "x", "documents": 1, "ran": "no", "ranked": {}, "subjects": 2})
    for text in write(review(odd, section("security")), tmp_path).texts:
        assert "This part cannot be shown:" in text
        assert "command_230" in text


def test_a_failed_part_invents_nothing(tmp_path: Path) -> None:
    written = write(review(*(failed(task_type) for task_type in FLOWS)), tmp_path)
    for text in written.texts:
        assert f"0 of {len(FLOWS)} tasks completed, {len(FLOWS)} failed." in text
    assert written.told["statements"] == []


def test_a_type_of_the_future_shows_its_statements_pictures_and_texts(tmp_path: Path) -> None:
    files: dict[str, Path | None] = {}
    for name, content in (("map.svg", SVG.format("map")), ("notes.md", "Some *notes*\n"), ("lost.md", "")):
        files[name] = tmp_path / name if content else None
        if content:
            (tmp_path / name).write_text(content, encoding="utf-8")
    data = {"found": [{"deep": stated("It is deep")}], "odd": stated("It is odd") | {"expected": 3}}
    written = write(review(section("licences", data=data, files=files)), tmp_path)
    for text in written.texts:
        assert "It is deep" in text and "Some *notes*" in text
    assert [each["text"] for each in written.told["statements"]] == ["It is deep"]
    assert len(written.page.all("img")) == 1


@pytest.mark.parametrize("poison", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_stays_text(poison: str, tmp_path: Path) -> None:
    def sections(words: str) -> list[Section]:
        found = [section(task_type, data=poisoned(data, words)) for task_type, data in FLOWS.items()]
        path = tmp_path / "CHANGELOG.draft.md"
        path.write_text(words, encoding="utf-8", errors="replace")
        return [*found, section("changelog", data=FLOWS["changelog"], files={path.name: path})]

    written = write(review(*sections(poison), workflow=poison, about=poison), tmp_path)
    calm = write(review(*sections("calm")), tmp_path)
    assert cells(written.markdown) == cells(calm.markdown)
    assert len(written.html) < 6_000_000
    assert ("{{ 7 * 7 }}" in written.page.text) == ("7 * 7" in poison)
    checks = [each["how_to_check"] for each in written.told["statements"][:1]]
    assert checks == [poison]
