"""The C4 views: who uses the target, what it is made of and what it reaches, each from a line of code."""

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
