"""What an architecture review shows below its graph, from a run of the engine."""

from pathlib import Path

import msgspec
import pytest

from clones.engines.architecture import analyse
from clones.params import ArchitectureParams
from tests.clones.engines.report.inputs import review, section
from tests.clones.engines.report.writing import Written, write

BODY = """\
    rest = {}
    for key in given:
        if given[key] > 3 and key.size < 9:
            rest[key.name] = given[key] * 2
        elif not key:
            raise KeyError(key)
    if rest and given.size > 4:
        rest.update(given.more(2))
    given.clear()
    return sorted(rest.items())
"""
SHOP = {
    "shop/__init__.py": "",
    "shop/web.py": f"from shop import store\n\n\ndef weigh(given):\n{BODY}\n\nprint(weigh, store)\n",
    "shop/store.py": f"import redis\n\n\ndef _left():\n    from shop import web\n\n\ndef tally(given):\n{BODY}\n\nprint(tally, redis)\n",
    "shop/page.html": "<p>\n</p>\n",
}
CONTRACT = """
[importlinter]
root_package = shop

[importlinter:contract:rows]
name = In rows
type = layers
layers =
    shop.web
    shop.store
"""


def reviewed(files: dict[str, str], directory: Path) -> Written:
    for name, text in files.items():
        (directory / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / "t" / name).write_text(text)
    out = directory / "out"
    out.mkdir()
    output = analyse(directory / "t", ArchitectureParams(target="t"), out, lambda *_: None)
    data = msgspec.json.decode(msgspec.json.encode(output.data))
    pages = directory / "pages"
    pages.mkdir()
    return write(
        review(section("architecture", data=data, files={file.name: out / file.name for file in output.files})), pages
    )


@pytest.fixture(scope="module")
def undeclared(tmp_path_factory: pytest.TempPathFactory) -> Written:
    return reviewed(SHOP, tmp_path_factory.mktemp("undeclared"))


def test_all_of_it_is_on_both_pages(undeclared: Written) -> None:
    for text in undeclared.texts:
        for words in (
            "no others cost less",
            "A contract to begin with",
            "Nothing refers to these",
            "_left",
            "Code that does the same",
            "tally",
            "Public surface",
            "2 functions, 0 classes with 0 public methods",
            "HTML",
        ):
            assert words in text, words
    assert 'layers = [\n    "shop.web",\n    "shop.store",\n]' in undeclared.markdown


def test_the_views_are_on_the_page(undeclared: Written) -> None:
    alts = [image["alt"] for image in undeclared.page.all("img")]
    assert [alt for alt in alts if str(alt).startswith("C4")] == [
        "C4 context diagram of shop",
        "C4 containers diagram of shop",
        "C4 components diagram of shop",
    ]


def test_a_broken_contract_stands_out(tmp_path: Path) -> None:
    written = reviewed({**SHOP, ".importlinter": CONTRACT}, tmp_path)
    for text in written.texts:
        assert "1 chain of imports breaks the declared contract" in text
        assert "1 declared contract of 1 is broken." in text
        assert "A contract to begin with" not in text
    assert any("The contract `In rows` is broken" in each["text"] for each in written.told["statements"])
