"""`sanctuary schema export`."""

import json
import subprocess
from pathlib import Path

from schemas.export import json_schemas
from tests.ops.rig import SANCTUARY


def export(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    argv = [SANCTUARY, "schema", "export", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False)


def test_the_same_files_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "deep" / "second"
    for directory in (first, second):
        assert export(directory).returncode == 0
    names = {path.name for path in first.iterdir()}
    assert names == {"asyncapi.json"} | {f"{name}.schema.json" for name in json_schemas()}
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
        json.loads((first / name).read_bytes())


def test_another_realm_and_one_that_cannot_be(tmp_path: Path) -> None:
    assert export(tmp_path, "--realm", "lab").returncode == 0
    document = json.loads((tmp_path / "asyncapi.json").read_bytes())
    assert document["channels"]["task"]["address"] == "lab.task.{task_type}"
    refused = export(tmp_path, "--realm", "a.b")
    assert refused.returncode != 0
    assert "'a.b' is no subject token" in refused.stderr


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = export(tmp_path / "file" / "below")
    assert refused.returncode != 0
    assert "Traceback" not in refused.stderr
