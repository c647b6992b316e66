"""The documentation engine on small projects of every layout; coverage is held against interrogate run by hand."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from clones.engines.contract import EngineOutput
from clones.engines.documentation import analyse, engine
from clones.params import DocumentationParams

DOCUMENTED = '''"""A module."""


class Shape:
    """A shape.

    :param sides: how many there are
    """

    def __init__(self, sides: int, *, closed: bool = True) -> None:
        self.sides = sides

    def area(self) -> float:
        return 0.0

    @property
    def corners(self) -> int:
        """Corners, as many as :attr:`sides`."""
        return self.sides

    def _inner(self): ...


async def scale(shape: Shape, /, factor: float = 2.0, *rest: int) -> Shape:
    """Scale `shape`.

    Args:
        shape: what to scale
        factor: by how much

    Raises:
        ValueError: if `factor` is negative
    """


def bare(a, b=1):
    def nested(): ...
'''


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


def run(target: Path, out: Path) -> EngineOutput:
    out.mkdir()
    steps: list[float] = []
    result = analyse(target, DocumentationParams(target=str(target)), out, lambda fraction, _: steps.append(fraction))
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    assert all((out / file.name).is_file() for file in result.files)
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == {
        file.name for file in result.files
    }
    return result


def markdown_tokens(page: str) -> Iterator[Token]:
    """Every token of the page under CommonMark with raw HTML allowed, as a lax viewer would see it."""
    for block in MarkdownIt("commonmark", {"html": True}).enable("table").parse(page):
        yield block
        yield from block.children or ()


def by_hand(target: Path, command: list[str]) -> tuple[int, int]:
    """(documented, total) as the given interrogate command prints them."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "-v"], cwd=target, capture_output=True, text=True, check=True
    )
    total = next(line for line in done.stdout.splitlines() if line.startswith("| TOTAL"))
    _, _, count, _, covered, _, _ = (part.strip() for part in total.split("|"))
    return int(covered), int(count)


LAYOUTS = {
    "src": {"src/pkg/__init__.py": "", "src/pkg/shapes.py": DOCUMENTED, "setup.py": "x = 1\n"},
    "flat": {"pkg/__init__.py": '"""Doc."""', "pkg/shapes.py": DOCUMENTED, "conftest.py": "", "examples/e.py": "x=1"},
    "several": {
        "one/__init__.py": DOCUMENTED,
        "two/__init__.py": "",
        "two/deep/__init__.py": "",
        "two/deep/x.py": DOCUMENTED,
    },
    "single module": {"shapes.py": DOCUMENTED, "setup.py": "", "test_shapes.py": "def test(): ..."},
    "namespace": {"src/ns/shapes.py": DOCUMENTED, "src/ns/sub/more.py": DOCUMENTED},
    "namespace inside": {"pkg/__init__.py": "", "pkg/sub/more.py": DOCUMENTED},
    "own settings": {"pkg/__init__.py": DOCUMENTED, "pyproject.toml": "[tool.interrogate]\nignore-module = true\n"},
    "private reached": {
        "pkg/__init__.py": "from pkg._impl import Shape\n",
        "pkg/_impl.py": DOCUMENTED,
        "pkg/_other.py": "x=1",
    },
    "names that interrogate hides": {"pkg/__init__.py": "", "pkg/venvs.py": DOCUMENTED},
    "broken file": {"pkg/__init__.py": "", "pkg/shapes.py": DOCUMENTED, "pkg/new.py": "def broken(:\n"},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_coverage_equals_interrogate_by_hand(layout: str, tmp_path: Path) -> None:
    target = write(tmp_path / "target", LAYOUTS[layout])

    data = run(target, tmp_path / "out").data

    assert data["coverage"]["total"] >= 5
    assert (data["coverage"]["documented"], data["coverage"]["total"]) == by_hand(target, data["command"])
    assert data["coverage"]["total"] == sum(module["total"] for module in data["modules"])
    assert data["undocumented_total"] == data["coverage"]["total"] - data["coverage"]["documented"]
    assert len(data["undocumented"]) == data["undocumented_total"]


@pytest.mark.timeout(600)  # a busy machine takes its time
def test_coverage_of_this_repository_equals_interrogate_by_hand(tmp_path: Path) -> None:
    target = Path(__file__).parents[4]
    data = run(target, tmp_path / "out").data
    assert {module["module"].split(".")[0] for module in data["modules"]} == {"bus", "clones", "ops", "schemas"}
    assert (data["coverage"]["documented"], data["coverage"]["total"]) == by_hand(target, data["command"])


def test_undocumented_objects_have_file_and_line(tmp_path: Path) -> None:
    target = write(tmp_path / "target", LAYOUTS["src"])

    listed = run(target, tmp_path / "out").data["undocumented"]

    lines = DOCUMENTED.splitlines()
    area = next(number for number, line in enumerate(lines, 1) if "def area" in line)
    bare = next(number for number, line in enumerate(lines, 1) if "def bare" in line)
    assert [{key: each[key] for key in each if key != "check"} for each in listed] == [
        {"name": "pkg", "kind": "module", "file": "src/pkg/__init__.py", "line": 1},
        {"name": "pkg.shapes.Shape.area", "kind": "method", "file": "src/pkg/shapes.py", "line": area},
        {"name": "pkg.shapes.bare", "kind": "function", "file": "src/pkg/shapes.py", "line": bare},
    ]


def test_a_page_shows_signature_sections_and_source(tmp_path: Path) -> None:
    target = write(tmp_path / "target", LAYOUTS["src"])
    run(target, tmp_path / "out")

    page = (tmp_path / "out/api/pkg.shapes.md").read_text(encoding="utf-8")

    assert "class Shape(sides: int, *, closed: bool = True)" in page
    assert "async def scale(shape: Shape, /, factor: float = 2.0, *rest: int) -> Shape" in page
    assert "- `sides` (`int`): how many there are" in page
    assert "- `factor` (`float`): by how much" in page
    assert "- `ValueError`: if `factor` is negative" in page
    assert "[src/pkg/shapes.py:4](../src/pkg/shapes.py#L4)" in page
    assert "| `corners` | `int` |  | Corners, as many as `sides`. |" in page
    assert "_inner" not in page
    assert "nested" not in page
    index = (tmp_path / "out/api/index.md").read_text(encoding="utf-8")
    assert "| [pkg.shapes](pkg.shapes.md) | A module. |" in index
    combined = (tmp_path / "out/api.md").read_text(encoding="utf-8")
    assert page.replace("](../", "](") in combined


def test_tests_and_vendored_code_are_left_out_and_told(tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": DOCUMENTED,
        "pkg/_vendor/six.py": "def u(): ...",
        "pkg/tests/test_a.py": "def test(): ...",
        "tests/test_b.py": "def test(): ...",
        "t/__init__.py": "",
        "t/test_c.py": "def test(): ...",
        ".venv/lib/x.py": "x = 1",
        "env/pyvenv.cfg": "",
        "env/lib/y/__init__.py": "",
    }
    result = run(write(tmp_path / "target", files), tmp_path / "out")
    assert [module["module"] for module in result.data["modules"]] == ["pkg"]
    told = {each.subject: each.reason for each in result.not_analysed}
    assert {"pkg/_vendor/", "pkg/tests/", "tests/", "t/", "env/"} <= told.keys()


def test_what_cannot_be_read_is_not_analysed(tmp_path: Path) -> None:
    outside = tmp_path / "secret.py"
    outside.write_text('"""SECRET."""', encoding="utf-8")
    target = write(tmp_path / "target", {"pkg/__init__.py": "", "pkg/new.py": "def broken(:\n", "pkg/a-b.py": "x = 1"})
    (target / "pkg/latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
    (target / "pkg/zero.py").write_bytes(b"x = '\x00'\n")
    (target / "pkg/link.py").symlink_to(outside)
    (target / "pkg/huge.py").write_bytes(b"#" * 2_000_001)
    (target / "pkg/deep.py").write_text("x = " + "-" * 5000 + "1\n", encoding="utf-8")
    (target / "pkg/only.pyi").write_text("x: int", encoding="utf-8")

    result = run(target, tmp_path / "out")

    told = {each.subject: each.reason for each in result.not_analysed}
    unread = ("new.py", "a-b.py", "latin.py", "zero.py", "link.py", "huge.py", "deep.py", "only.pyi")
    assert told.keys() == {f"pkg/{name}" for name in unread}
    assert "line 1" in told["pkg/new.py"]
    assert [module["module"] for module in result.data["modules"]] == ["pkg"]
    assert all("SECRET" not in path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_target_code_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nfrom pkg.other import *\n__all__ = ['x']\nx = 1\n"
    target = write(tmp_path / "target", {"pkg/__init__.py": code, "pkg/other.py": code, "pkg/__main__.py": code})
    assert run(target, tmp_path / "out").data["pages"] == 3
    assert not mark.exists()


def test_no_python_is_no_invented_number(tmp_path: Path) -> None:
    result = run(write(tmp_path / "target", {"README.md": "hello"}), tmp_path / "out")
    assert result.data["coverage"] == {"documented": 0, "total": 0, "percent": None}
    assert result.data["command"] == []
    assert "nothing to document" in result.summary


def test_re_exports_lead_to_their_module_or_stand_in_full(tmp_path: Path) -> None:
    files = {
        "pkg/__init__.py": "from pkg._impl import Shape\nfrom pkg.open import gate\nimport os\n",
        "pkg/_impl.py": DOCUMENTED,
        "pkg/open.py": "def gate(): ...\n",
    }
    run(write(tmp_path / "target", files), tmp_path / "out")
    page = (tmp_path / "out/api/pkg.md").read_text(encoding="utf-8")
    assert "- `gate` from `pkg.open`" in page
    assert "### class `Shape`" in page
    assert "[pkg/\\_impl.py:4](../pkg/_impl.py#L4)" in page
    assert "`os`" not in page
    assert not (tmp_path / "out/api/pkg._impl.md").exists()


def test_hostile_docstrings_stay_text(tmp_path: Path) -> None:
    hostile = (
        '"""<script>alert(1)</script> [x](javascript:alert(1)) ![i](http://e.example/i.png) \\\\``<b>``\n\n'
        'See ``<img src=x>`` and \u202egnp.\n\n    <script>alert(2)</script>\n\n``` \n<script>alert(3)</script>\n"""\n'
        "def f(a='```<script>'):\n    '''`````<script>'''\n"
    )
    run(write(tmp_path / "target", {"pkg/__init__.py": hostile}), tmp_path / "out")
    page = (tmp_path / "out/api/pkg.md").read_text(encoding="utf-8")
    tokens = list(markdown_tokens(page))
    assert not {"html_block", "html_inline", "image"} & {token.type for token in tokens}
    assert [token.attrGet("href") for token in tokens if token.type == "link_open"] == [
        "../pkg/__init__.py#L1",
        "../pkg/__init__.py#L10",
    ]
    assert "<script>alert(1)</script>" in "".join(token.content for token in tokens if token.type == "text")
    assert "⟨U+202E⟩" in page


def test_many_pages_travel_as_one_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_PAGES", 2)
    result = run(
        write(tmp_path / "target", {f"pkg/m{n}.py": "" for n in range(3)} | {"pkg/__init__.py": ""}), tmp_path / "out"
    )
    assert {file.name for file in result.files} == {"api.md", "api.tar.gz", "documentation.json"}


def test_a_long_list_is_cut_in_the_data_and_whole_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_LISTED", 2)
    result = run(write(tmp_path / "target", {"pkg/__init__.py": "def a(): ...\ndef b(): ...\n"}), tmp_path / "out")
    assert len(result.data["undocumented"]) == 2
    assert result.data["undocumented_total"] == 3
    assert (tmp_path / "out/documentation.json").read_text().count('"line"') == 3
