import asyncio
import contextlib
import gzip
import os
import socket
import subprocess
import tarfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from clones.engines import worktree
from clones.engines.contract import EngineError
from clones.packing import pack
from clones.targets import Artifact, Checkout, Directory, Repository, TargetPolicy, checkout, parse_target
from tests.clones.temporaries import left_empty


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path) -> Iterator[Path]:
    """Where checkouts are made; each test leaves it empty."""
    with left_empty(tmp_path / "temporary") as temporary:
        yield temporary


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git is configured by nothing but the tests."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = T\nemail = t@example.invalid\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    workspace = tmp_path / "workspace"
    (workspace / "project").mkdir(parents=True)
    (workspace / "project" / "a.py").write_text("a = 1\n")
    return workspace


@pytest.fixture
def policy(workspace: Path) -> TargetPolicy:
    return TargetPolicy(workspace=workspace)


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(workspace: Path) -> Path:
    """Two commits on `main`, the first tagged `v1`, and a branch `feature/x` from there."""
    repository = workspace / "project"
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "one")
    git(repository, "tag", "v1")
    git(repository, "branch", "feature/x")
    (repository / "a.py").write_text("a = 2\n")
    git(repository, "commit", "-qam", "two")
    return repository


async def refusal(target: str, policy: TargetPolicy) -> EngineError:
    with pytest.raises(EngineError) as raised:
        async with checkout(target, policy):
            pass
    return raised.value


async def obtained(target: str, policy: TargetPolicy) -> Checkout:
    async with checkout(target, policy) as got:
        assert (got.path / "a.py").is_file()
        return got


@pytest.mark.parametrize(
    ("target", "parsed"),
    [
        (".", Directory(".")),
        ("/abs/dir", Directory("/abs/dir")),
        ("a#b", Directory("a#b")),
        ("./https://x", Directory("./https://x")),
        ("./artifact:x", Directory("./artifact:x")),
        ("-x", Directory("-x")),
        ("https://h/p.git", Repository("https://h/p.git", "https", None)),
        ("https://u:p@h:8443/p.git#v1.2", Repository("https://u:p@h:8443/p.git", "https", "v1.2")),
        ("ssh://git@h:22/p#feature/x", Repository("ssh://git@h:22/p", "ssh", "feature/x")),
        ("git@h:o/p.git#0a1b2c3", Repository("git@h:o/p.git", "ssh", "0a1b2c3")),
        ("file:///srv/p", Repository("file:///srv/p", "file", None)),
        ("artifact:up-1.tar.gz", Artifact("up-1.tar.gz")),
    ],
)
def test_a_target_says_what_it_is(target: str, parsed: object) -> None:
    assert parse_target(target) == parsed


@pytest.mark.parametrize(
    "target",
    [
        "ext::sh -c 'touch x'",
        "ext::sh%20-c%20id",
        "fd::3",
        "https::https://h/p",
        "git::ext::sh",
        "http://h/p",
        "git://h/p",
        "ftp://h/p",
        "HTTP://h/p",
        "ext://h/p",
        "https://",
        "https:///p",
        "https://-oProxyCommand=id/p",
        "ssh://-oProxyCommand=id/p",
        "ssh://-oProxyCommand=id@h/p",
        "https://h:port/p",
        "https://[::1/p",
        "file://h/p",
        "file://",
        "https://h/p#",
        "https://h/p#--upload-pack=id",
        "https://h/p#-b",
        "https://h/p#a..b",
        "https://h/p#a b",
        "https://h/p#HEAD@{1}",
        "https://h/p#a:b",
        "https://h/p#+a",
        "https://h/p\n--upload-pack=id",
        "a\0b",
        "\udcff",
        "artifact:",
        "artifact:../x",
        "artifact:/x",
        "artifact:a b",
    ],
)
async def test_addresses_that_could_do_more_than_fetch_are_refused(target: str, policy: TargetPolicy) -> None:
    assert (await refusal(target, policy)).code == "target_refused"


async def test_a_relative_directory_is_the_workspaces(workspace: Path, policy: TargetPolicy) -> None:
    got = await obtained("project", policy)
    assert got == Checkout(path=(workspace / "project").resolve(), revision=None, origin=str(workspace / "project"))


async def test_directories_below_further_roots_are_allowed(workspace: Path, tmp_path: Path) -> None:
    project = workspace / "project"
    got = await obtained(str(project), TargetPolicy(workspace=tmp_path / "elsewhere", roots=(workspace,)))
    assert got.path == project.resolve()


@pytest.mark.parametrize(
    "target", ["..", "project/../..", "/", "/etc", "/etc/no-such-thing", "out", "out/deeper", "up"]
)
async def test_what_is_outside_the_roots_is_refused_whether_it_is_there_or_not(
    target: str, workspace: Path, policy: TargetPolicy, tmp_path: Path
) -> None:
    (tmp_path / "other" / "deeper").mkdir(parents=True)
    (workspace / "out").symlink_to(tmp_path / "other")
    (workspace / "up").symlink_to("..")
    error = await refusal(target, policy)
    assert error.code == "target_refused"
    assert "outside the directories that this clone may read" in error.message


async def test_a_root_whose_name_begins_alike_is_another(tmp_path: Path, policy: TargetPolicy) -> None:
    (tmp_path / "workspace-private").mkdir()
    assert (await refusal("../workspace-private", policy)).code == "target_refused"


async def test_a_link_that_stays_inside_is_followed(workspace: Path, policy: TargetPolicy) -> None:
    (workspace / "alias").symlink_to("project")
    assert (await obtained("alias", policy)).path == (workspace / "project").resolve()


@pytest.mark.parametrize(
    ("target", "words"),
    [("missing", "there is no"), ("project/a.py", "is a file"), ("circle", ""), ("x" * 300, ""), ("-x", "there is no")],
)
async def test_a_target_that_is_no_directory_is_not_found(
    target: str, words: str, workspace: Path, policy: TargetPolicy
) -> None:
    (workspace / "circle").symlink_to("circle")
    error = await refusal(target, policy)
    assert error.code == "target_not_found"
    assert words in error.message


async def test_the_revision_of_a_work_tree_is_told(repository: Path, policy: TargetPolicy) -> None:
    head = git(repository, "rev-parse", "HEAD")
    assert (await obtained("project", policy)).revision == head
    (repository / "new.py").write_text("")
    assert (await obtained("project", policy)).revision == f"{head}+changes"
    (repository / ".gitignore").write_text("new.py\n.gitignore\nbuild\n")
    assert (await obtained("project", policy)).revision == head
    (repository / "build").mkdir()
    async with checkout("project/build", policy) as ignored:
        assert ignored.revision is None, "the repository around an ignored directory says nothing about it"


async def test_looking_at_a_work_tree_neither_writes_to_it_nor_starts_its_programs(
    repository: Path, policy: TargetPolicy, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\ncat\n")
    script.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(script))
    git(repository, "config", "filter.x.clean", str(script))
    git(repository, "config", "filter.x.required", "true")
    (repository / ".gitattributes").write_text("* filter=x\n")
    os.utime(repository / "a.py", (1, 1))  # so that git compares the contents
    index = (repository / ".git" / "index").read_bytes()
    assert (await obtained("project", policy)).revision == git(repository, "rev-parse", "HEAD") + "+changes"
    assert not (tmp_path / "ran").exists()
    assert (repository / ".git" / "index").read_bytes() == index
    git(repository, "status")
    assert (tmp_path / "ran").exists(), "an ordinary git would have run it"


@pytest.mark.parametrize("revision", ["", "#main", "#v1", "#feature/x", "#commit", "#short", "#old"])
async def test_a_repository_is_checked_out_where_it_is_told_to(
    repository: Path, policy: TargetPolicy, revision: str
) -> None:
    heads = {"": "main", "#commit": "main", "#short": "main", "#old": "v1"}
    expected = git(repository, "rev-parse", heads.get(revision, revision.lstrip("#")))
    suffix = {"#commit": f"#{expected}", "#short": f"#{expected[:8]}", "#old": f"#{expected[:10]}"}.get(
        revision, revision
    )
    async with checkout(f"file://{repository}{suffix}", policy) as got:
        assert got.revision == expected
        assert git(got.path, "rev-parse", "HEAD") == expected
        assert git(got.path, "status", "--porcelain") == ""
        assert got.path.name == "project"
        assert got.origin == f"file://{repository}{suffix}"


async def test_a_checkout_has_the_history_that_hot_spots_need(repository: Path, policy: TargetPolicy) -> None:
    async with checkout(f"file://{repository}", policy) as got:
        assert git(got.path, "log", "--format=%s", "a.py").split() == ["two", "one"]


async def test_a_checkout_has_the_tags_of_its_history(repository: Path, policy: TargetPolicy) -> None:
    async with checkout(f"file://{repository}#main", policy) as found:
        assert git(found.path, "tag") == "v1"


async def test_a_missing_revision_is_named(repository: Path, policy: TargetPolicy) -> None:
    for revision in ("no-such-branch", "0123456789"):
        error = await refusal(f"file://{repository}#{revision}", policy)
        assert (error.code, error.retryable) == ("target_unavailable", False)
        assert revision in error.message


async def test_what_is_no_repository_or_an_empty_one_is_told(workspace: Path, policy: TargetPolicy) -> None:
    error = await refusal(f"file://{workspace}/project", policy)
    assert (error.code, error.retryable) == ("target_unavailable", False)
    assert "does not appear to be a git repository" in error.message
    git(workspace / "project", "init", "-q")
    assert (await refusal(f"file://{workspace}/project", policy)).code == "target_unavailable"


async def test_a_file_address_keeps_to_the_roots(repository: Path, tmp_path: Path) -> None:
    other = TargetPolicy(workspace=tmp_path / "other")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "link").symlink_to(repository)
    for target in (
        f"file://{repository}",
        f"file://{tmp_path}/other/link",
        f"file://{tmp_path}/other/%2e%2e/workspace",
    ):
        assert (await refusal(target, other)).code == "target_refused"
    assert (await refusal(f"file://{tmp_path}/other/missing", other)).code == "target_not_found"


async def test_an_unreachable_server_may_be_tried_again_and_no_password_is_told(policy: TargetPolicy) -> None:
    error = await refusal("https://user:s3cret@localhost:1/p.git", policy)
    assert (error.code, error.retryable) == ("target_unavailable", True)
    assert "s3cret" not in error.message
    assert "localhost:1/p.git" in error.message


async def test_a_server_that_never_answers_is_given_up(policy: TargetPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        policy = TargetPolicy(workspace=policy.workspace, timeout_s=1.0)
        error = await refusal(f"https://127.0.0.1:{silent.getsockname()[1]}/p.git", policy)
    assert (error.code, error.retryable) == ("target_unavailable", True)


async def test_no_hook_no_submodule_and_no_filter_of_a_repository_is_run(
    repository: Path, policy: TargetPolicy, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    templates = tmp_path / "home" / "templates" / "hooks"
    templates.mkdir(parents=True)
    for hook in ("post-checkout", "reference-transaction"):
        (templates / hook).write_text(f"#!/bin/sh\ntouch {ran}\n")
        (templates / hook).chmod(0o755)
    (repository / ".gitattributes").write_text("*.py filter=lfs\n")
    (repository / ".gitmodules").write_text(
        f'[submodule "s"]\npath = s\nurl = ext::touch {ran}\nupdate = !touch {ran}\n'
    )
    git(repository, "add", ".gitattributes", ".gitmodules")
    git(repository, "update-index", "--add", "--cacheinfo", f"160000,{git(repository, 'rev-parse', 'HEAD')},s")
    git(repository, "-c", "core.hooksPath=/dev/null", "commit", "-qm", "traps")
    (tmp_path / "home" / ".gitconfig").write_text(
        f"[init]\ntemplateDir = {templates.parent}\n"
        f'[filter "lfs"]\nsmudge = touch {ran}\nrequired = true\n[protocol "file"]\nallow = always\n'
    )
    await obtained(f"file://{repository}", policy)
    assert not ran.exists()


async def test_links_that_lead_out_of_a_checkout_are_removed_and_told(repository: Path, policy: TargetPolicy) -> None:
    (repository / "secret").symlink_to("/etc/passwd")
    (repository / "above").symlink_to("../..")
    (repository / "alias.py").symlink_to("a.py")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "links")
    async with checkout(f"file://{repository}", policy) as got:
        assert sorted(path.name for path in got.path.iterdir()) == [".git", "a.py", "alias.py"]
        assert {left.subject for left in got.not_analysed} == {"secret", "above"}


async def test_a_repository_beyond_the_limits_is_refused(repository: Path, workspace: Path) -> None:
    (repository / "zeros").write_bytes(bytes(3_000_000))
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "large")
    error = await refusal(f"file://{repository}", TargetPolicy(workspace=workspace, max_bytes=2_000_000))
    assert error.code == "target_refused"
    assert "the limits are" in error.message
    error = await refusal(f"file://{repository}", TargetPolicy(workspace=workspace, max_files=1))
    assert error.code == "target_refused"


def add_bomb(repository: Path) -> None:
    """A branch `bomb` of ten levels of trees, each of which names the next one ten times."""
    entry, kind = f"100644 blob {git(repository, 'rev-parse', 'HEAD:a.py')}", "f"
    for _ in range(10):
        lines = "".join(f"{entry}\t{kind}{number}\n" for number in range(10))
        made = subprocess.run(["git", "mktree"], cwd=repository, input=lines.encode(), check=True, capture_output=True)
        entry, kind = f"040000 tree {made.stdout.decode().strip()}", "d"
    commit = git(repository, "commit-tree", entry.split()[-1], "-m", "bomb")
    git(repository, "update-ref", "refs/heads/bomb", commit)


async def test_a_repository_that_unfolds_to_billions_of_files_is_refused(
    repository: Path, policy: TargetPolicy
) -> None:
    add_bomb(repository)
    policy = TargetPolicy(workspace=policy.workspace, max_files=20_000)
    assert (await refusal(f"file://{repository}#bomb", policy)).code == "target_refused"


def fetcher(archive: Path) -> Callable[[str], Awaitable[Path]]:
    async def fetch(name: str) -> Path:
        assert name == "up"
        return archive

    return fetch


async def test_an_upload_arrives_as_it_was_packed(workspace: Path, tmp_path: Path) -> None:
    archive = tmp_path / "up.tar.gz"
    pack(workspace / "project", archive)
    policy = TargetPolicy(workspace=tmp_path / "other", fetch_artifact=fetcher(archive))
    async with checkout("artifact:up", policy) as got:
        assert got.path.name == "project"
        assert (got.path / "a.py").read_text() == "a = 1\n"
        assert (got.origin, got.revision) == ("artifact:up", None)
        assert not archive.exists(), "the download is removed"


async def test_an_upload_that_leads_outside_is_refused(workspace: Path, tmp_path: Path) -> None:
    archive = tmp_path / "up.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../../escape"))
    error = await refusal("artifact:up", TargetPolicy(workspace=workspace, fetch_artifact=fetcher(archive)))
    assert error.code == "target_refused"
    assert not (tmp_path / "temporary" / "escape").exists()
    assert not archive.exists()


async def test_an_upload_that_needs_much_memory_is_refused(workspace: Path, tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 400_000_000  # tarfile reads such a header whole
    archive = tmp_path / "up.tar.gz"
    with gzip.open(archive, "wb", compresslevel=1) as compressed:
        compressed.write(header.tobuf())
        for _ in range(400):
            compressed.write(bytes(1_000_000))
    policy = TargetPolicy(workspace=workspace, fetch_artifact=fetcher(archive), memory_bytes=300 * 1024**2)
    error = await refusal("artifact:up", policy)
    assert error.code == "target_refused"
    assert "memory" in error.message


async def test_a_clone_without_uploads_says_so(policy: TargetPolicy) -> None:
    error = await refusal("artifact:up", policy)
    assert (error.code, "takes no uploads" in error.message) == ("target_refused", True)


async def test_an_error_of_the_body_and_a_cancellation_leave_nothing(repository: Path, policy: TargetPolicy) -> None:
    with pytest.raises(LookupError):
        async with checkout(f"file://{repository}", policy):
            raise LookupError
    for delay_s in (0.0, 0.03, 0.1):
        task = asyncio.create_task(obtained(f"file://{repository}", policy))
        await asyncio.sleep(delay_s)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_credentials_are_removed_wherever_an_address_stands() -> None:
    assert worktree.redact("at https://u:p@h/x and ssh://t@h:2/y, git@h:z") == "at https://h/x and ssh://h:2/y, git@h:z"
