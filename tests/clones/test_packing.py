import hashlib
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from clones.engines.contract import EngineError
from clones.packing import pack


@pytest.fixture
def project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    for name in ("b.py", "a/c.py", ".venv/lib.py", "node_modules/x.js", "a/__pycache__/c.pyc", "data/ignored.bin"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (project / "run.sh").write_text("#!/bin/sh\n")
    (project / "run.sh").chmod(0o4775)
    return project


def git(directory: Path, *arguments: str) -> None:
    options = ("-c", "user.name=T", "-c", "user.email=t@example.invalid")
    subprocess.run(["git", *options, *arguments], cwd=directory, check=True, capture_output=True)


def names(archive: Path) -> list[str]:
    with tarfile.open(archive) as tar:
        return tar.getnames()


def test_without_git_all_but_environments_and_caches_is_packed(project: Path, tmp_path: Path) -> None:
    info = pack(project, tmp_path / "out.tar.gz")
    assert names(tmp_path / "out.tar.gz") == [
        *("project/a/c.py", "project/b.py", "project/data/ignored.bin", "project/run.sh"),
    ]
    assert info.files == 4
    assert info.unpacked_bytes == sum(map(len, ("a/c.py", "b.py", "data/ignored.bin", "#!/bin/sh\n")))
    data = (tmp_path / "out.tar.gz").read_bytes()
    assert (info.archive_bytes, info.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_with_git_tracked_and_new_files_are_packed_and_ignored_ones_not(project: Path, tmp_path: Path) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("*.bin\n__pycache__\n.venv\nnode_modules\n")
    (project / "gone.py").write_text("")
    git(project, "add", "b.py", "gone.py")
    git(project, "add", "-f", "node_modules/x.js")
    git(project, "commit", "-qm", "one")
    (project / "gone.py").unlink()
    pack(project, tmp_path / "out.tar.gz")
    assert names(tmp_path / "out.tar.gz") == [
        f"project/{name}" for name in (".gitignore", "a/c.py", "b.py", "node_modules/x.js", "run.sh")
    ]


@pytest.mark.parametrize("with_git", [True, False])
def test_a_network_s_keys_stay_behind(project: Path, tmp_path: Path, *, with_git: bool) -> None:
    if with_git:
        git(project, "init", "-q")
    pack(project, tmp_path / "before.tar.gz")
    for name in (".sanctuary/lock", ".sanctuary/nats-server.json", ".sanctuary/keys/operator.nk", ".sanctuary/log/1"):
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    info = pack(project, tmp_path / "out.tar.gz")
    assert names(tmp_path / "out.tar.gz") == names(tmp_path / "before.tar.gz")
    assert [each.subject for each in info.left_out] == [".sanctuary"]


def test_a_directory_inside_a_work_tree_is_packed_alone(project: Path, tmp_path: Path) -> None:
    git(project, "init", "-q")
    pack(project / "a", tmp_path / "out.tar.gz")
    assert names(tmp_path / "out.tar.gz") == ["a/__pycache__/c.pyc", "a/c.py"]


def test_a_directory_that_git_ignores_is_packed_as_if_there_were_no_git(project: Path, tmp_path: Path) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("data\n")
    pack(project / "data", tmp_path / "out.tar.gz")
    assert names(tmp_path / "out.tar.gz") == ["data/ignored.bin"]


def test_the_same_files_give_the_same_archive(project: Path, tmp_path: Path) -> None:
    first = pack(project, tmp_path / "one.tar.gz")
    os.utime(project / "b.py", (1, 1))
    (project / "a" / "c.py").chmod(0o600)
    assert pack(project, tmp_path / "two.tar.gz") == first
    (project / "b.py").write_text("changed")
    assert pack(project, tmp_path / "two.tar.gz").sha256 != first.sha256


def test_what_leads_outside_or_is_no_file_stays_behind_and_is_told(project: Path, tmp_path: Path) -> None:
    (project / "inside").symlink_to("a/c.py")
    (project / "folder").symlink_to("a")
    (project / "outside").symlink_to("/etc/passwd")
    (project / "dangling").symlink_to("nothing")
    os.mkfifo(project / "pipe")
    info = pack(project, tmp_path / "out.tar.gz")
    assert {left.subject for left in info.left_out} == {"outside", "dangling", "pipe"}
    assert {"project/inside", "project/folder"} < set(names(tmp_path / "out.tar.gz"))
    assert "project/folder/c.py" not in names(tmp_path / "out.tar.gz")


def test_a_submodule_is_told(project: Path, tmp_path: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    git(inner, "commit", "-q", "--allow-empty", "-m", "one")
    git(project, "init", "-q")
    git(project, "add", "inner")
    info = pack(project, tmp_path / "out.tar.gz")
    assert [left.subject for left in info.left_out] == ["inner"]


def test_an_archive_below_the_directory_does_not_hold_itself(project: Path) -> None:
    pack(project, project / "out.tar.gz")
    assert "project/out.tar.gz" not in names(project / "out.tar.gz")


def test_permissions_are_reduced_to_executable_or_not(project: Path, tmp_path: Path) -> None:
    pack(project, tmp_path / "out.tar.gz")
    with tarfile.open(tmp_path / "out.tar.gz") as tar:
        assert {member.name: member.mode for member in tar}["project/run.sh"] == 0o755
        assert {(member.uid, member.gid, member.uname, member.mtime) for member in tar} == {(0, 0, "", 0)}


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="is no directory") as raised:
        pack(tmp_path / "missing", tmp_path / "out.tar.gz")
    assert raised.value.code == "target_not_found"
