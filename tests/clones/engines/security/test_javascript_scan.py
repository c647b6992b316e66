"""JavaScript and TypeScript, by oxlint where it is installed."""

import shutil
from pathlib import Path

import pytest

from clones.engines import process
from clones.engines.security.javascript_scan import NAME, scan
from tests.clones.engines.security.scanning import scanned

FILES = {
    "web/a.js": "const x = location.hash;\neval(x);\nconst f = new Function('a', x);\n",
    "web/page.tsx": "export const A = (p: {h: string}) =>\n  <p dangerouslySetInnerHTML={{__html: p.h}} />;\n",
    "web/sound.ts": "export const evaluate = (x: number): number => JSON.parse(`${x}`);\n",
    "web/broken.js": "function ( {\n",
    "web/deep.js": "x = " + "[" * 100_000,
    "web/lib.min.js": "eval(x)",
    # settings and lists of the target's own have no say
    ".oxlintrc.json": '{"rules": {"no-eval": "off"}}',
    "web/.oxlintrc.json": '{"rules": {"no-eval": "off"}}',
    ".gitignore": "web\n",
    ".eslintignore": "*\n",
}


@pytest.mark.skipif(
    shutil.which(NAME, path=process.minimal_env()["PATH"]) is None, reason="the extra `javascript` is not installed"
)
def test_text_that_is_run_and_markup_that_is_trusted(tmp_path: Path) -> None:
    done = scanned(scan, tmp_path, FILES)
    assert [(each.path, each.line, each.rule, each.cwe) for each in done.results] == [
        ("web/a.js", 2, "oxlint/no-eval", 95),
        ("web/a.js", 3, "oxlint/no-new-func", 95),
        ("web/page.tsx", 2, "oxlint/react/no-danger", 79),
    ]
    assert sorted(done.unread) == ["web/broken.js", "web/deep.js"]
    assert done.files_analysed == 3
    assert done.version[0].isdigit()
    assert [each.subject for each in done.left_out] == ["JavaScript files"]


def test_where_it_is_missing_it_is_said_how_to_add_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "minimal_env", lambda: {"PATH": str(tmp_path)})
    done = scanned(scan, tmp_path, FILES)
    assert (done.results, done.files_analysed, done.version) == ((), 0, "not installed")
    assert "sanctuary-bus[javascript]" in done.left_out[-1].reason


def test_a_project_without_such_files_is_told_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "minimal_env", lambda: {"PATH": str(tmp_path)})
    assert scanned(scan, tmp_path, {"a.py": ""}).left_out == ()
