"""Git for targets: fetch a repository, and say which revision a directory stands at.

Engines like the others, because git reads what strangers wrote: run by `clones.sandbox`, and dead with their task.
No configuration that a repository brings along makes git start a program: no hooks, no file system monitor, no filters,
no submodules.
"""

import os
import re
import resource
import subprocess
import time
from pathlib import Path
from typing import Literal

import msgspec

from clones.engines import git, process
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, Progress
from schemas.errors import ErrorCode

HISTORY_COMMITS = 1000
"""How much history is fetched: enough to see which files change often, without the whole past of a large project."""

_GIT = ("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_NO_LFS = ("-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false")
# a server that stalls ends the transfer, also where nobody is left to kill it
_NO_STALL = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")
_SSH = "ssh -oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=15"
_COMMIT = re.compile(r"[0-9a-f]{4,64}")
_FINAL = re.compile(
    r"couldn't find remote ref|not found|does not exist|does not appear to be a git repository|Authentication failed"
    r"|Permission denied|could not read Username|dubious ownership|Host key verification failed"
)
_LOCAL_TIMEOUT_S = 60.0
_SYMLINK_MODE = b"120000"


class FetchParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `fetch` fetches, checked by `clones.targets`."""

    url: str
    protocol: Literal["https", "ssh", "file"]
    """The only one that git may use, redirections included."""
    revision: str | None
    """Branch, tag, full or abbreviated commit; None is the branch that the repository names its default."""
    max_bytes: int
    max_files: int
    timeout_s: float
    ssh_auth_sock: str | None = None


class RevisionParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`revision` needs nothing but the directory."""


def fetch(target: Path, params: FetchParams, out: Path, progress: Progress) -> EngineOutput:
    """Check `params.url` out into `out`, with up to `HISTORY_COMMITS` of history.

    `data` is `{"revision": commit}`; `not_analysed` has the symbolic links that led outside and were removed.

    Raises:
        EngineError: `target_unavailable` with git's message, `target_refused` where it is larger than allowed.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (params.max_bytes, params.max_bytes))  # the pack is one file
    env = _environment(params)
    deadline = time.monotonic() + params.timeout_s
    progress(0.0, f"fetching {redact(params.url)}")
    _git("init", "--quiet", "--template=", ".", cwd=out, env=env)
    commit = _fetch_commit(params, out, env, deadline)
    progress(0.7, f"checking out {commit}")
    links = _check_size(commit, params, out, env)
    _git("checkout", "--quiet", "--detach", commit, cwd=out, env=env, timeout_s=deadline - time.monotonic())
    return EngineOutput(
        summary=f"{redact(params.url)} at {commit}", data={"revision": commit}, not_analysed=_remove_outside(out, links)
    )


def revision(target: Path, params: RevisionParams, out: Path, progress: Progress) -> EngineOutput:
    """Say which commit the directory `target` stands at: `data` is `{"revision": str | None}`.

    `+changes` follows the commit where files below `target` differ from it. None where `target` is in no git work tree,
    or holds no tracked file (a directory that the repository around it ignores), or the work tree has no commit.
    """
    env = _environment(None)
    head = None if git.why_not(target) else _try_git("rev-parse", "--verify", "--quiet", "HEAD", cwd=target, env=env)
    tracked = head and _try_git("ls-files", "-z", "--", ".", cwd=target, env=env)
    if not head or not tracked:
        return EngineOutput(summary="no revision", data={"revision": None})
    quiet = _without_filters(target, env)
    changed = _try_git(*quiet, "status", "--porcelain", "-z", "--ignore-submodules=all", "--", ".", cwd=target, env=env)
    found = head.decode("ascii").strip() + ("+changes" if changed else "")
    return EngineOutput(summary=f"at {found}", data={"revision": found if changed is not None else None})


def redact(text: str) -> str:
    """Remove user names and passwords from the addresses in `text`."""
    return re.sub(r"(?<=://)[^/\s]*@", "", text)


def _fetch_commit(params: FetchParams, out: Path, env: dict[str, str], deadline: float) -> str:
    options = ("--quiet", "--no-recurse-submodules")
    wanted = params.revision or "HEAD"
    try:
        # with a name of its own here, git also fetches the tags in this history: what the earlier versions are called
        refspec = f"+{wanted}:refs/remotes/target/wanted"
        _git(
            *(*_NO_STALL, "fetch", *options, f"--depth={HISTORY_COMMITS}", "--", params.url, refspec),
            cwd=out,
            env=env,
            timeout_s=deadline - time.monotonic(),
            url=params.url,
        )
        wanted = "FETCH_HEAD"
    except EngineError as error:
        if not _COMMIT.fullmatch(wanted) or error.code != ErrorCode.TARGET_UNAVAILABLE:
            raise
        # servers give no abbreviated commits, and some no commits at all: look for it among everything there is
        everything = ("+refs/heads/*:refs/remotes/target/*", "+refs/tags/*:refs/tags/*")
        _git(
            *(*_NO_STALL, "fetch", *options, "--no-tags", "--", params.url, *everything),
            cwd=out,
            env=env,
            timeout_s=deadline - time.monotonic(),
            url=params.url,
        )
    found = _try_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}", cwd=out, env=env)
    if not found:
        raise EngineError(
            f"{redact(params.url)} has no branch, tag or commit {params.revision!r}", code=ErrorCode.TARGET_UNAVAILABLE
        )
    return found.decode("ascii").strip()


def _check_size(commit: str, params: FetchParams, out: Path, env: dict[str, str]) -> list[str]:
    """Add up what a checkout would write, before it does; returns the symbolic links.

    Read as it comes: a few small objects can name each other so that they unfold to billions of files.

    Raises:
        EngineError: `target_refused` beyond `max_bytes` or `max_files`.
    """
    argv = (*_GIT, "ls-tree", "-r", "-l", "-z", "--full-tree", commit)
    files = size = 0
    links: list[str] = []
    rest = b""
    with subprocess.Popen(argv, cwd=out, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as listing:
        while listing.stdout is not None and (data := listing.stdout.read(64 * 1024)):
            *entries, rest = (rest + data).split(b"\0")
            for entry in entries:
                # git-ls-tree(1): <mode> SP <type> SP <object> SP <size, `-` for a submodule> TAB <file>
                fields, _, name = entry.partition(b"\t")
                mode, _, _, bytes_ = fields.split()
                files += 1
                size += int(bytes_) if bytes_ != b"-" else 0
                if mode == _SYMLINK_MODE:
                    links.append(os.fsdecode(name))
            if files > params.max_files or size > params.max_bytes:
                listing.kill()
                raise EngineError(
                    f"{redact(params.url)} is too large: {files} files and {size} bytes or more;"
                    f" the limits are {params.max_files} files and {params.max_bytes} bytes",
                    code=ErrorCode.TARGET_REFUSED,
                )
    return links


def _remove_outside(out: Path, links: list[str]) -> tuple[NotAnalysed, ...]:
    """Remove the links that lead out of the checkout: what an engine reads through one would be this machine's files."""
    root = out.resolve()
    removed = []
    for name in links:
        try:
            inside = (out / name).resolve(strict=True).is_relative_to(root)
        except (OSError, RuntimeError):  # dangling, or in a circle (RuntimeError until Python 3.13)
            inside = False
        if not inside:
            (out / name).unlink(missing_ok=True)
            removed.append(NotAnalysed(subject=name, reason="symbolic link to nothing inside the target; not followed"))
    return tuple(removed)


def _without_filters(target: Path, env: dict[str, str]) -> tuple[str, ...]:
    """Options that switch off all content filters: `git status` would run those that the repository configures."""
    named = _try_git("config", "--name-only", "-z", "--get-regexp", r"^filter\.", cwd=target, env=env) or b""
    filters = {name.rpartition(".")[0] for name in os.fsdecode(named).split("\0") if name}
    return tuple(
        option
        for name in sorted(filters)
        for key, value in (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))
        for option in ("-c", f"{name}.{key}={value}")
    )


def _environment(params: FetchParams | None) -> dict[str, str]:
    env = process.minimal_env() | {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_OPTIONAL_LOCKS": "0",  # looking at a work tree writes nothing to it
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_SSH_COMMAND": _SSH,
        "GIT_ALLOW_PROTOCOL": params.protocol if params else "",
    }
    if params and params.ssh_auth_sock and params.protocol == "ssh":
        env["SSH_AUTH_SOCK"] = params.ssh_auth_sock
    return env


def _git(*arguments: str, cwd: Path, env: dict[str, str], timeout_s: float = _LOCAL_TIMEOUT_S, url: str = "") -> bytes:
    """Run git; returns its output.

    Raises:
        EngineError: `target_unavailable` with git's message, without credentials.
    """
    done = process.run((*_GIT, *_NO_LFS, *arguments), cwd=cwd, env=env, timeout_s=max(1.0, timeout_s))
    if done.exit_status == 0:
        return done.stdout
    said = redact(done.stderr.decode("utf-8", "replace").strip()[-2000:]) or f"exit status {done.exit_status}"
    what = f"git could not fetch {redact(url)}" if url else f"git {arguments[0]} failed"
    raise EngineError(f"{what}: {said}", code=ErrorCode.TARGET_UNAVAILABLE, retryable=not _FINAL.search(said))


def _try_git(*arguments: str, cwd: Path, env: dict[str, str]) -> bytes | None:
    """Run git; returns its output, or None where it fails or is not installed."""
    try:
        return _git(*arguments, cwd=cwd, env=env)
    except EngineError:
        return None
