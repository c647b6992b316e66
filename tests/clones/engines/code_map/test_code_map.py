"""The map of a small project: its ways in, what each part is for, an order to read it in; checked as a reader would."""

from pathlib import Path

import pytest

from clones.engines.code_map import analyse
from clones.engines.code_map.purposes import purpose
from clones.engines.contract import EngineOutput
from clones.params import CodeMapParams
from tests.clones.engines.checking import failed

PAD = "\n".join(f"VALUE_{number} = {number}" for number in range(12)) + "\n"
FILES = {
    "pyproject.toml": '[project]\nname = "shop"\n\n[project.scripts]\nshop = "shop.cli:main"\n\n'
    '[project.entry-points."shop.tills"]\ncash = "shop.till:Till"\nmissing = "elsewhere.thing:x"\n',
    "setup.py": 'from setuptools import setup\n\nsetup(entry_points={"console_scripts": ["old-shop = shop.cli:main"]})\n',
    "shop/__init__.py": '"""A shop that sells things. It has tills."""\n\nfrom shop.till import Till, total as sum_up\n',
    "shop/__main__.py": "from shop.cli import main\n\nmain()\n",
    "shop/cli.py": '"""\nshop.cli\n~~~~~~~~\n\nThe command line of\nthe shop.\n"""\n\nfrom shop.till import Till\n'
    f"from shop import money, stock\n\n\ndef main():\n    return Till, money, stock\n\n\n{PAD}",
    "shop/till.py": f'"""Tills: where one pays."""\n\nfrom .money import EUR\n\n\nclass Till: ...\n\n\ndef total(): ...\n\n\n{PAD}',
    "shop/stock.py": f'"""What there is."""\n\nfrom shop.money import EUR\n\n{PAD}',
    "shop/report.py": f"from shop import money\nfrom shop import stock\nfrom shop.till import Till\n\n{PAD}",
    "shop/money.py": f"# no docstring\nEUR = 1\n{PAD}",
    "tests/test_till.py": "import shop\n",
}


def write(target: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return target


def run(target: Path, out: Path) -> EngineOutput:
    out.mkdir()
    return analyse(target, CodeMapParams(target=str(target)), out, lambda _fraction, _message: None)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", FILES)


def test_the_ways_in_are_what_the_project_declares(shop: Path, tmp_path: Path) -> None:
    points = run(shop, tmp_path / "out").data["entry_points"]
    assert [(point["kind"], point["name"], point["module"], point["file"], point["line"]) for point in points] == [
        ("command", "shop", "shop.cli", "pyproject.toml", 5),
        ("plug-in", "cash", "shop.till", "pyproject.toml", 8),
        ("plug-in", "missing", None, "pyproject.toml", 9),
        ("command", "old-shop", "shop.cli", "setup.py", 3),
        ("python -m", "shop", "shop.__main__", "shop/__main__.py", 1),
        ("import", "shop", "shop", "shop/__init__.py", 3),
    ]
    assert points[0]["text"] == "the command `shop` starts `main` of `shop.cli` (shop/cli.py:13)"
    assert "offers 2 names that its modules define: `Till`, `sum_up`" in points[-1]["text"]


def test_how_it_is_installed_and_tested_is_told_in_its_own_words(shop: Path, tmp_path: Path) -> None:
    write(
        shop,
        {
            "pyproject.toml": FILES["pyproject.toml"].replace(
                "[project]\n",
                '[build-system]\nbuild-backend = "hatchling.build"\n\n[project]\nrequires-python = ">=3.11"\n',
            ),
            "README.md": "# Shop\n\npip install it like so\n\n```sh\n$ pip install shop[tills]\npip install shop[tills]\n```\n"
            "    make sure.\n    shop --open\n",
            "CONTRIBUTING.rst": "Test it::\n\n    tox run -e py312\n    docker compose up\n",
            "Makefile": "VAR := 1\ntest: all\n\tpytest\n",
            "uv.lock": 'version = 1\n\n[[package]]\nname = "a"\n\n[[package]]\nname = "b"\n',
        },
    )
    data = run(shop, tmp_path / "out").data
    assert [(told["kind"], told["file"], told["text"]) for told in data["getting_started"]] == [
        ("install", "pyproject.toml", 'it needs this Python: `requires-python = ">=3.11"` (pyproject.toml:5)'),
        (
            "install",
            "pyproject.toml",
            '`pip install .` builds it by this: `build-backend = "hatchling.build"` (pyproject.toml:2)',
        ),
        ("install", "uv.lock", "`uv sync` installs what uv.lock pins: 2 packages"),
        ("install", "README.md", "README.md types `pip install shop[tills]` (line 6)"),
        ("test", "Makefile", "Makefile has `make test`"),
        ("test", "CONTRIBUTING.rst", "CONTRIBUTING.rst types `tox run -e py312` (line 3)"),
        ("run", "CONTRIBUTING.rst", "CONTRIBUTING.rst types `docker compose up` (line 4)"),
    ]
    assert failed(shop, data) == []
    assert "## To install, test and run it" in (tmp_path / "out" / "code-map.md").read_text()


def test_no_more_importers_are_told_than_are_shown(tmp_path: Path) -> None:
    # A name that other lines of the package have too is not counted by one search.
    users = {f"pkg/user{number}.py": "from pkg import (\n    base,\n)\n" for number in range(30)}
    target = write(tmp_path / "wide", {"pkg/__init__.py": "", "pkg/base.py": PAD, **users})
    data = run(target, tmp_path / "out").data
    stop = next(stop for stop in data["reading_order"] if stop["module"] == "pkg.base")
    assert stop["importers"] == 30
    assert "at least 25 modules of the project import it" in stop["text"]
    assert stop["expected"].count("\n") == 25
    assert failed(target, data) == []


def test_the_picture_counts_the_lines_that_the_text_counts(shop: Path, tmp_path: Path) -> None:
    data = run(shop, tmp_path / "out").data
    drawn = (tmp_path / "out" / "code-map.svg").read_text()
    for part in data["packages"]:
        assert f"{part['lines']} line" in drawn, part


def test_it_is_read_from_the_ways_in_to_what_all_rests_on(shop: Path, tmp_path: Path) -> None:
    stops = run(shop, tmp_path / "out").data["reading_order"]
    assert [(stop["place"], stop["module"], stop["reason"]) for stop in stops] == [
        (1, "shop.cli", "entry"),
        (2, "shop.till", "entry"),
        (3, "shop.money", "foundation"),
        (4, "shop.report", "meeting place"),
        (5, "shop.stock", "bulk"),
    ]
    assert (stops[2]["importers"], stops[2]["imports"], stops[2]["resting"]) == (4, 0, 6)
    assert "4 modules of the project import it, and it imports 0" in stops[2]["text"]


def test_parts_say_what_they_are_for(shop: Path, tmp_path: Path) -> None:
    packages = {part["name"]: part for part in run(shop, tmp_path / "out").data["packages"]}
    said = {name: part["purpose"] and part["purpose"]["words"] for name, part in packages.items()}
    assert said["shop"] == "A shop that sells things"
    assert said["shop.cli"] == "The command line of the shop"
    assert said["shop.money"] is None
    assert packages["shop.cli"]["purpose"]["line"] == 5
    assert packages["shop.till"]["uses"] == ["shop.money"]


def test_every_statement_holds_by_its_own_command(shop: Path, tmp_path: Path) -> None:
    data = run(shop, tmp_path / "out").data
    assert len(data["dependencies"]) == 10
    assert failed(shop, data) == []


def test_many_importers_are_counted_by_one_command(tmp_path: Path) -> None:
    users = {f"pkg/user{number}.py": "from pkg.base import A\n" for number in range(30)}
    users["pkg/near.py"] = "from . import base\n"
    users["pkg/unlike.py"] = "from other.base import A\n"
    target = write(tmp_path / "wide", {"pkg/__init__.py": "", "pkg/base.py": PAD, **users})
    data = run(target, tmp_path / "out").data
    stop = next(stop for stop in data["reading_order"] if stop["module"] == "pkg.base")
    assert stop["importers"] == 31
    assert "grep -rlE" in stop["how_to_check"]
    assert failed(target, data) == []


def test_the_page_and_the_picture_are_the_same_every_time(shop: Path, tmp_path: Path) -> None:
    outputs = [run(shop, tmp_path / name) for name in ("first", "second")]
    assert outputs[0].data == outputs[1].data
    for file in outputs[0].files:
        assert (tmp_path / "first" / file.name).read_bytes() == (tmp_path / "second" / file.name).read_bytes()
    page = (tmp_path / "first" / "code-map.md").read_text()
    for stop in outputs[0].data["reading_order"]:
        assert f"**{stop['place']}.** `{stop['module']}`" in page
    assert (tmp_path / "first" / "code-map.svg").read_text().startswith("<svg")


def test_a_target_without_python_has_no_map(tmp_path: Path) -> None:
    output = run(write(tmp_path / "web", {"index.js": "1\n"}), tmp_path / "out")
    assert output.data["reading_order"] == []
    assert output.files == ()
    assert output.not_analysed[0].reason == "no Python module was found"


@pytest.mark.parametrize(
    ("source", "words", "line"),
    [
        ('"""Say hello. And more."""', "Say hello", 1),
        ("'''One'''", "One", 1),
        ('r"""\nname\n====\n\nUses :class:`~a.B` well, e.g. here.\n"""', "Uses a.B well, e.g. here", 5),
        ('"""\n:copyright: me\n"""', None, 0),
        ('"""name"""', None, 0),
        ("x = 1", None, 0),
        ("def (", None, 0),
        ("", None, 0),
    ],
)
def test_a_docstrings_first_sentence(source: str, words: str | None, line: int) -> None:
    found = purpose("name.py", source.split("\n"), ("name",))
    assert (found and found.words) == words
    if found:
        assert found.line == line
