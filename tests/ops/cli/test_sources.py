"""What is said where no server answers."""

from pathlib import Path

import pytest

from bus.errors import ConfigurationError, ConnectionFailed
from ops.cli.sources import without_server


@pytest.mark.parametrize("kind", [ConnectionFailed, ConfigurationError])
def test_an_archive_that_can_be_read_without_a_server_is_named(
    kind: type[ConnectionFailed | ConfigurationError], tmp_path: Path
) -> None:
    told = without_server(kind("no network runs"), tmp_path)
    assert isinstance(told, kind)
    assert told.message == f"no network runs; what is archived can be read without it: --archive {tmp_path}"
    for nowhere in (None, tmp_path / "archive"):
        assert without_server(kind("no network runs"), nowhere).message == "no network runs"
