"""The security engine has Go read by gosec, as it is built from Go's modules."""

import os
from pathlib import Path

import pytest

from clones.engines.security.go_scan import scan
from tests.clones.engines.security.scanning import scanned
from tests.clones.engines.security.test_go_scan import FILES
from tests.interop.peers import GOSEC


@pytest.mark.timeout(600)  # gosec has Go compile what the file imports
def test_a_command_from_a_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert GOSEC.exists(), "gosec is not built; run: make interop"
    monkeypatch.setenv("PATH", os.pathsep.join((str(GOSEC.parent), os.environ["PATH"])))
    done = scanned(scan, tmp_path, FILES)
    assert [(each.path, each.line, each.cwe) for each in done.results] == [("web/main.go", 9, 78)]
    assert done.files_analysed >= 1
    assert [each.subject for each in done.left_out] == ["Go in web"]
