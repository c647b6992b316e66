"""The knowledge of a small project: documents, words, open places, and a search that finds them."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from clones.engines.contract import EngineOutput
from clones.engines.knowledge import analyse
from clones.engines.knowledge.documents import is_document, read
from clones.params import KnowledgeParams
from tests.clones.engines.checking import failed

FILES = {
    "README.md": "![logo](x.png)\n\n# The Shop\n\nA `shop` that [sells](https://example.org) many useful things.\n\n## Start\n\nRun it.\n",
    "CHANGES.rst": "Changes\n=======\n\nTODO: not looked at here, it is history\n",
    "LICENSE": "Take it.\n",
    "requirements/dev.txt": "pytest\n",
    "docs/guide.rst": "===========\n Guide\n===========\n\n.. note:: x\n\nHow a till is opened and closed again.\n\n"
    "Drawers\n-------\n\nA drawer holds coins.\n\n.. todo:: say more\n",
    "docs/words.rst": "Words\n=====\n\n.. glossary::\n    :sorted:\n\n"
    "    till\n        Where one pays. Every day.\n\n    coin\n        Small money.\n",
    "shop/__init__.py": '"""A shop."""\n\nfrom shop.till import Till, pay\n',
    "shop/till.py": '"""Tills."""\n\nfrom elsewhere import Drawer\n\nLIMIT = 10\n\n\nclass Till:\n    """Where one pays. In cash."""\n\n'
    '    def open_drawer(self):\n        """Open it."""\n        raise NotImplementedError("no drawers yet")\n\n\n'
    "@staticmethod\ndef pay(amount):\n    # TODO(ada): round it\n    return amount\n\n\n"
    "class TillError(Exception): ...\n\n\ndef run(): ...\n",
    "shop/stock.py": 'from shop.till import LIMIT, Till, TillError, run\n\n\nclass Drawer: ...\n\n\ntext = "TODO: no comment"\n',
    "tests/test_till.py": "# TODO: test\nfrom shop import Till, pay\n",
}


def write(target: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return target


def run(target: Path, out: Path) -> EngineOutput:
    out.mkdir()
    return analyse(target, KnowledgeParams(target=str(target)), out, lambda _fraction, _message: None)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write(tmp_path / "shop", FILES)


def test_documents_tell_what_they_are_about(shop: Path, tmp_path: Path) -> None:
    found = run(shop, tmp_path / "out").data["documents"]
    assert [(document["file"], document["kind"], document["title"], document["about"]) for document in found] == [
        ("README.md", "readme", "The Shop", "A shop that sells many useful things."),
        ("docs/guide.rst", "document", "Guide", "How a till is opened and closed again."),
        ("docs/words.rst", "document", "Words", ""),
        ("CHANGES.rst", "changelog", "Changes", "TODO: not looked at here, it is history"),
        ("LICENSE", "licence", "LICENSE", ""),
    ]


def test_the_projects_own_words_are_told_with_their_meaning(shop: Path, tmp_path: Path) -> None:
    found = run(shop, tmp_path / "out").data["glossary"]
    counted = [term["text"] for term in found if term["used_in"]]
    assert counted
    assert all("files of shop)" in text for text in counted), counted
    assert [
        (term["term"], term["kind"], term["meaning"], term["file"], term["line"], term["used_in"]) for term in found
    ] == [
        ("Till", "class", "Where one pays", "shop/till.py", 8, 3),
        ("TillError", "exception", "", "shop/till.py", 22, 2),
        ("pay", "function", "", "shop/till.py", 17, 2),
        ("LIMIT", "constant", "", "shop/till.py", 5, 2),
        ("till", "term", "Where one pays", "docs/words.rst", 7, 0),
        ("coin", "term", "Small money", "docs/words.rst", 10, 0),
    ]


def test_open_places_are_those_of_comments_and_documents(shop: Path, tmp_path: Path) -> None:
    found = run(shop, tmp_path / "out").data["open"]
    assert [(place["mark"], place["words"], place["file"], place["line"]) for place in found] == [
        ("TODO", "round it", "shop/till.py", 18),
        ("NotImplementedError", "no drawers yet", "shop/till.py", 13),
        ("TODO", "say more", "docs/guide.rst", 14),
    ]


def test_every_statement_holds_by_its_own_command(shop: Path, tmp_path: Path) -> None:
    data = run(shop, tmp_path / "out").data
    assert sum(data["totals"][name] for name in ("documents", "terms", "open")) == 14
    assert failed(shop, data) == []


def test_the_index_is_searched_by_the_command_that_stands_beside_it(shop: Path, tmp_path: Path) -> None:
    index = run(shop, tmp_path / "out").data["index"]
    command = shlex.split(index["how_to_search"])
    assert command[0] == "python3"
    for words, found in (("drawers", "docs/guide.rst\t9\tdocument\tGuide: Drawers"), ("open", "open_drawer")):
        search = [sys.executable, *command[1:-1], words]
        done = subprocess.run(search, cwd=tmp_path / "out", capture_output=True, text=True, check=True, timeout=300)
        assert found in done.stdout


def test_the_same_target_gives_the_same_bytes(shop: Path, tmp_path: Path) -> None:
    outputs = [run(shop, tmp_path / name) for name in ("first", "second")]
    assert outputs[0].data == outputs[1].data
    for file in outputs[0].files:
        assert (tmp_path / "first" / file.name).read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_hostile_words_stay_text(tmp_path: Path) -> None:
    target = write(
        tmp_path / "hostile", {"README.md": "# <script>x</script>\n\n`a` $(id) | <b>bold</b> words are here\n"}
    )
    output = run(target, tmp_path / "out")
    page = (tmp_path / "out" / "knowledge.md").read_text()
    assert "<script>" not in page
    assert "<b>" not in page
    assert failed(target, output.data) == []


def test_an_empty_target_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    output = run(tmp_path / "empty", tmp_path / "out")
    assert output.data["totals"] == {"documents": 0, "terms": 0, "open": 0, "by_mark": {}}
    assert output.data["index"]["entries"] == 0


@pytest.mark.parametrize(
    ("file", "meant"),
    [
        ("README", True),
        ("docs/a.md", True),
        ("COPYING", True),
        ("requirements.txt", False),
        ("requirements/test.txt", False),
        ("docs/spelling_wordlist.txt", False),
        ("src/a.py", False),
        ("Makefile", False),
    ],
)
def test_what_is_a_document(file: str, meant: bool) -> None:
    assert is_document(file) is meant


def test_code_in_a_document_makes_no_headings() -> None:
    lines = ["# One", "```sh", "# no heading", "```", "Two", "---", "", "words of a paragraph here"]
    assert [(section.title, section.line, section.level) for section in read("a.md", lines).sections] == [
        ("One", 1, 1),
        ("Two", 5, 2),
    ]
