"""Which nats-server is run."""

from pathlib import Path

import pytest

from bus.errors import ServerFailed
from bus.server_binary import MINIMUM_VERSION, find_server_binary


def fake(directory: Path, version: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / "nats-server"
    path.write_text(f"#!/bin/sh\necho 'nats-server: {version}'\n")
    path.chmod(0o755)
    return path


def test_the_package_s_where_nothing_else_is(tmp_path: Path) -> None:
    found = find_server_binary(search_path=str(tmp_path))
    assert (found.origin, found.version >= MINIMUM_VERSION, found.notices) == ("package", True, ())


def test_one_on_path_goes_before_the_package_s(tmp_path: Path) -> None:
    path = fake(tmp_path, "v2.99.0")
    found = find_server_binary(search_path=str(tmp_path))
    assert (found.path, found.origin, found.version) == (path, "PATH", (2, 99, 0))


def test_an_old_one_on_path_is_passed_over_and_told(tmp_path: Path) -> None:
    path = fake(tmp_path, "v2.14.9")
    found = find_server_binary(search_path=str(tmp_path))
    assert found.origin == "package"
    assert found.notices == (
        f"Passed over: {path} is nats-server 2.14.9; 2.15.0 or newer is needed. Update it, or name another one.",
    )


def test_an_explicit_one_goes_before_all(tmp_path: Path) -> None:
    fake(tmp_path / "path", "v2.99.0")
    explicit = fake(tmp_path / "explicit", "v2.15.0-dev")
    found = find_server_binary(explicit, search_path=str(tmp_path / "path"))
    assert (found.path, found.origin, found.version) == (explicit, "explicit", (2, 15, 0))


@pytest.mark.parametrize(
    ("version", "message"),
    [("v2.10.1", "is nats-server 2.10.1; 2.15.0 or newer is needed"), ("unknown", "is no nats-server")],
)
def test_an_explicit_one_that_will_not_do_is_refused(tmp_path: Path, version: str, message: str) -> None:
    with pytest.raises(ServerFailed, match=message):
        find_server_binary(fake(tmp_path, version))


def test_an_explicit_one_that_cannot_be_run(tmp_path: Path) -> None:
    with pytest.raises(
        ServerFailed, match=r"/no/such cannot be run: No such file or directory\. Name another nats-server"
    ):
        find_server_binary(Path("/no/such"))
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ServerFailed, match="cannot be run: Permission denied"):
        find_server_binary(tmp_path / "text")
