"""The C4 views: who uses the target, what it is made of and what it reaches, each from a line of code."""

from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from clones.engines.architecture.c4 import mermaid, picture, systems
from clones.engines.architecture.c4.model import Element, Relation, View
from clones.engines.architecture.graph import Import, ImportLine
from tests.clones.engines.architecture.checking import wrong
from tests.clones.engines.architecture.projects import run, write

SHOP = {
    "pyproject.toml": '[project]\nname = "shop"\ndescription = "Sells things."\n[project.scripts]\nshop = "shop.cli:main"\n',
    "shop/__init__.py": "from shop.store import save\n",
    "shop/__main__.py": "from shop.cli import main\nmain()\n",
    "shop/cli.py": "from shop import web\n\ndef main():\n    return web\n",
    "shop/web.py": "import flask\nimport requests\nfrom shop import store\n",
    "shop/store.py": "import psycopg2\nimport obscure\nimport urllib.parse\n\ndef save():\n    import pika\n    return pika\n",
    "jobs/__init__.py": "",
    "jobs/nightly.py": "from shop import store\n",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    parent = tmp_path_factory.mktemp("shop")
    target = write(parent / "t", SHOP)
    output = run(target, parent / "out")
    return target, parent / "out", {view["name"]: view for view in output.data["c4"]}


def kinds(view: dict[str, Any]) -> dict[str, str]:
    return {element["key"]: element["kind"] for element in view["elements"]}


def arrows(view: dict[str, Any]) -> dict[tuple[str, str], str]:
    return {(row["start"], row["end"]): row["label"] for row in view["relations"]}


def test_the_context_has_users_and_the_systems_that_imports_reach(
    shop: tuple[Path, Path, dict[str, Any]],
) -> None:
    view = shop[2]["context"]
    assert kinds(view) == {
        "command-line user": "person",
        "developer": "person",
        "HTTP client": "person",
        "system": "system",
        "PostgreSQL": "database",
        "AMQP broker": "queue",
        "HTTP services": "service",
    }
    assert next(each for each in view["elements"] if each["key"] == "system")["about"] == "Sells things."
    assert arrows(view)["command-line user", "system"] == "runs shop"


def test_containers_are_processes_and_packages(shop: tuple[Path, Path, dict[str, Any]]) -> None:
    view = shop[2]["containers"]
    assert {key for key, kind in kinds(view).items() if kind == "container"} == {
        "process shop",
        "package shop",
        "package jobs",
    }
    told = arrows(view)
    assert told["process shop", "package shop"] == "starts"
    assert told["package jobs", "package shop"] == "1 import"
    assert ("package jobs", "PostgreSQL") not in told


def test_components_are_packages_and_modules_with_what_each_reaches(
    shop: tuple[Path, Path, dict[str, Any]],
) -> None:
    told = arrows(shop[2]["components"])
    assert told["shop.web", "shop.store"] == "1 import"
    assert told["shop.store", "PostgreSQL"] == "1 module"
    assert told["shop.web", "HTTP services"] == "1 module"


def test_every_relation_is_shown_by_a_command(shop: tuple[Path, Path, dict[str, Any]]) -> None:
    target, out, found = shop
    assert all("how_to_check" in row for view in found.values() for row in view["relations"])
    assert wrong(found, target, out) == []


def test_the_pictures_are_xml_and_name_every_element(shop: tuple[Path, Path, dict[str, Any]]) -> None:
    _, out, found = shop
    for name, view in found.items():
        svg = (out / f"c4-{name}.svg").read_text()
        words = " ".join(ET.fromstring(svg).itertext())  # noqa: S314 (written by the engine under test)
        text = (out / f"c4-{name}.mmd").read_text()
        assert text.startswith({"context": "C4Context", "containers": "C4Container"}.get(name, "C4Component"))
        for element in view["elements"]:
            assert element["name"] in words
            assert f'"{element["name"]}"' in text


def test_names_end_nothing_in_either_notation() -> None:
    evil = 'x"), Rel(a, b, "<script>&{}\x07\n'
    view = View(
        name="context",
        title=evil,
        boundary="",
        elements=(Element(key="a", name=evil, kind="system"), Element(key="b", name="b", kind="service")),
        relations=(Relation(start="a", end="b", label=evil),),
    )
    assert "<script>" not in picture.draw(view)
    ET.fromstring(picture.draw(view))  # noqa: S314 (written by the engine under test)
    lines = mermaid.write(view).splitlines()
    assert len(lines) == 5
    assert all(line.count('"') in {0, 2} for line in lines)


def edge(package: str, code: str = "") -> Import:
    line = ImportLine(line=1, code=code or f"import {package}", deferred=False, typing_only=False)
    return Import(importer="m", imported=package, lines=(line,))


def test_packages_of_which_no_system_is_known_are_libraries() -> None:
    found = systems.find([edge("redis"), edge("yaml"), edge("json"), edge("urllib", "from urllib.parse import quote")])
    assert [(each.name, each.kind) for each in found.systems] == [("Redis", "database")]
    assert found.libraries == ("yaml",)


def test_many_systems_of_a_kind_are_one_element() -> None:
    names = ("redis", "pymongo", "psycopg2", "MySQLdb", "cassandra", "neo4j", "pika")
    found = systems.grouped(systems.find([edge(name) for name in names]).systems, 5, 2)
    assert [each.name for each in found] == ["Cassandra", "MongoDB", "4 more databases", "AMQP broker"]
    assert found[2].about == "MySQL, Neo4j, PostgreSQL, Redis"


def drawn(relations: tuple[Relation, ...], keys: str) -> ET.Element:
    view = View(
        name="components",
        title="t",
        boundary="t",
        elements=tuple(Element(key=key, name=key, kind="component") for key in keys),
        relations=relations,
    )
    return ET.fromstring(picture.draw(view))  # noqa: S314 (written by the engine under test)


def heights(root: ET.Element) -> dict[str, float]:
    return {text.text or "": float(text.get("y", "0")) for text in root.iter("{http://www.w3.org/2000/svg}text")}


def test_who_imports_more_of_the_other_stands_above() -> None:
    many, one = (
        Relation(start="b", end="a", label="7 imports", weight=7.0),
        Relation(start="a", end="b", label="1 import"),
    )
    at = heights(drawn((one, many), "ab"))
    assert at["b"] < at["a"]


def test_the_boundary_begins_below_the_heading_where_nobody_stands_above_it() -> None:
    root = drawn((Relation(start="a", end="b", label="1 import"),), "ab")
    frame = next(rect for rect in root.iter("{http://www.w3.org/2000/svg}rect") if rect.get("stroke-dasharray"))
    assert float(frame.get("y", "0")) > heights(root)["C4 components, from the code: who uses what"]


def test_labels_of_arrows_side_by_side_are_not_on_each_other() -> None:
    root = drawn(tuple(Relation(start="a", end=end, label=f"a long label {end}") for end in "bcde"), "abcde")
    size = "{http://www.w3.org/2000/svg}text"
    places = [
        (float(text.get("x", "0")), float(text.get("y", "0")), 5.0 * len(text.text or ""))
        for text in root.iter(size)
        if (text.text or "").startswith("a long")
    ]
    assert len(places) == 4
    for at, (x, y, width) in enumerate(places):
        assert all(abs(x - left) >= (width + wide) / 2 or abs(y - up) >= 12 for left, up, wide in places[:at])


def test_in_a_crowd_an_arrow_that_a_longer_way_says_too_is_pale() -> None:
    chain = "abcdefghijkl"
    arcs = [*pairwise(chain), ("a", "l")]
    root = drawn(tuple(Relation(start=start, end=end, label="1 import") for start, end in arcs), chain)
    colours = {path.get("stroke") for path in root.iter("{http://www.w3.org/2000/svg}path")}
    assert {"#6b7280", "#ccd2db"} <= colours
    assert any("pale: also by a longer way" in text for text in heights(root))


def test_a_script_that_a_command_starts_in_is_that_command(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "p"\n[project.scripts]\np = "p.cli:main"\n',
        "p/__init__.py": "",
        "p/cli.py": 'def main():\n    pass\n\n\nif __name__ == "__main__":\n    main()\n',
    }
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    view = next(view for view in output.data["c4"] if view["name"] == "containers")
    assert arrows(view)["command-line user", "process p"] == "runs p, p/cli.py"
    assert ("command-line user", "package p") not in arrows(view)
