"""Pictures are well-formed and safe whatever names a target uses."""

import xml.etree.ElementTree as ET

from clones.engines.running.coverage_report import FileCoverage
from clones.engines.running.coverage_svg import MAX_ROWS, coverage_svg
from clones.engines.running.flame_svg import flame_svg
from clones.engines.running.profile_fold import Frame, Kind, flame_tree

HOSTILE = '<script>alert("1")</script>&\x00\x1b\ud800]]>'


def texts(picture: str) -> list[str]:
    root = ET.fromstring(picture)  # noqa: S314 -- our own
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "style", "rect", "text", "path"}
    return ["".join(element.itertext()) for element in root.iter() if element.tag.endswith(("text", "title"))]


def a_file(name: str, covered: int, total: int) -> FileCoverage:
    return FileCoverage(
        file=name, lines_covered=covered, lines_total=total, branches_covered=0, branches_total=0, missing=("1-2",)
    )


def test_coverage_names_every_file_and_its_figures() -> None:
    found = texts(coverage_svg((a_file("pkg/a.py", 999, 1000), a_file(f"pkg/{HOSTILE}", 0, 3)), HOSTILE))
    assert {"pkg", "a.py", "99.9 %", "0.0 %"} <= set(found)
    assert any("999 of 1003" in text for text in found)


def test_coverage_of_many_files_says_how_many_are_not_drawn() -> None:
    files = tuple(a_file(f"pkg/m{number}.py", 1, 2) for number in range(MAX_ROWS + 7))
    found = texts(coverage_svg(files, "big"))
    assert sum(text.startswith("m") and text.endswith(".py") for text in found) == MAX_ROWS
    assert any(text.startswith("7 more files") for text in found)


def test_a_flame_graph_shows_names_places_and_shares() -> None:
    frames = tuple(
        Frame(function=name, path="app.py", short="app.py", line=3, kind=kind)
        for name, kind in ((HOSTILE, Kind.TARGET), ("inner", Kind.STDLIB))
    )
    found = texts(flame_svg(flame_tree([(frames, 2.0), (frames[:1], 2.0)]), title="python x.py", shown="4 s"))
    assert "inner" in found
    assert any("inner (app.py:3)" in text and "50.0% of the run" in text for text in found)
