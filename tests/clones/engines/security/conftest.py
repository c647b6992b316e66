"""The seeded application, scanned once."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from clones.engines.contract import EngineOutput
from clones.engines.security import analyse
from clones.params import SecurityParams
from tests.clones.engines.security import seeded


class Scanned(msgspec.Struct, frozen=True):
    """A target, and what the engine said of it."""

    target: Path
    output: EngineOutput
    sarif: dict[str, Any]

    def at(self, file: str) -> list[dict[str, Any]]:
        """Return the findings in one file."""
        return [finding for finding in self.output.data["findings"] if finding["file"] == file]

    def reason(self, subject: str) -> str:
        """Return why something was not analysed."""
        return next(each.reason for each in self.output.not_analysed if each.subject == subject)


def scan(target: Path, out: Path) -> Scanned:
    """Run the engine."""
    out.mkdir()
    heard: list[float] = []
    output = analyse(target, SecurityParams(target=str(target)), out, lambda fraction, _: heard.append(fraction))
    assert heard == sorted(heard)
    assert heard[-1] == 1.0
    assert [file.name for file in output.files] == ["security.sarif"]
    return Scanned(target, output, msgspec.json.decode((out / "security.sarif").read_bytes()))


@pytest.fixture(scope="package")
def application(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """Scan the seeded application."""
    place = tmp_path_factory.mktemp("security")
    target = place / "target"
    seeded.write(target)
    return scan(target, place / "out")
