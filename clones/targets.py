"""From the `target` of a task to a local directory, for the time of the task.

A target is one of

- a directory: absolute, or relative to the workspace; `./` in front of a name that looks like one of the others;
- a git repository: `https://…`, `ssh://…`, `git@host:path` or `file:///…`, with `#revision` behind it for a branch, a tag
  or a commit (`#` and not `@`, which also stands before hosts): `https://example.org/project.git#v1.2`;
- `artifact:<name>`: an uploaded archive.
"""

import logging
import os
import re
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import msgspec

from clones.engines.contract import EngineError, EngineOutput, NotAnalysed
from clones.engines.unpack import UnpackParams
from clones.engines.worktree import FetchParams, RevisionParams, redact
from clones.sandbox import Limits, run_engine
from clones.scratch import scratch_directory
from schemas.errors import ErrorCode

_ARTIFACT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,254}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,254}", re.ASCII)
_SCP_LIKE = re.compile(r"[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:(?!:)[^\s:-][^\s]*", re.ASCII)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(://|::)", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9\[][A-Za-z0-9.:\]_-]*", re.ASCII)
_REVISION_TIMEOUT_S = 60.0
_log = logging.getLogger(__name__)


class TargetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which targets a clone takes, and what fetching one may cost."""

    workspace: Path
    """What relative paths are relative to; an allowed root itself."""
    roots: tuple[Path, ...] = ()
    """Further directories below which targets may lie."""
    fetch_artifact: Callable[[str], Awaitable[Path]] | None = None
    """Downloads an artifact to a file of its own, which is removed once it is unpacked; raises EngineError."""
    timeout_s: float = 600.0
    """For fetching a repository, or unpacking an archive."""
    max_bytes: int = 2 * 1024**3
    max_files: int = 200_000
    memory_bytes: int = 2 * 1024**3
    """For git, or the unpacking."""


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """A target as a directory."""

    path: Path
    """Absolute, without symbolic links. A directory target is itself, not a copy: it must not be written to."""
    revision: str | None
    """The commit, with `+changes` where the directory differs from it; None where there is no git."""
    origin: str
    """Where it came from, for a person; without credentials."""
    not_analysed: tuple[NotAnalysed, ...] = ()
    """What was left out on the way here, such as links that led outside."""


class Directory(msgspec.Struct, frozen=True):
    """A target on this machine."""

    path: str


class Repository(msgspec.Struct, frozen=True):
    """A target that git fetches."""

    url: str
    protocol: Literal["https", "ssh", "file"]
    revision: str | None


class Artifact(msgspec.Struct, frozen=True):
    """A target that was uploaded."""

    name: str


def parse_target(target: str) -> Directory | Repository | Artifact:
    """Say of which kind a target is; looks at nothing but the string.

    Raises:
        EngineError: `target_refused` for what is none of them.
    """
    if not target.isprintable():
        raise _refused(target, "it holds unprintable characters")
    if target.startswith("artifact:"):
        name = target.removeprefix("artifact:")
        if not _ARTIFACT.fullmatch(name) or ".." in name:
            raise _refused(target, "an artifact's name has letters, digits and `._/-` only")
        return Artifact(name)
    scheme = _SCHEME.match(target)
    if scheme is None and not _SCP_LIKE.fullmatch(target):
        return Directory(target)
    url, hash_, revision = target.partition("#")
    if hash_ and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise _refused(target, "behind `#` stands a branch, a tag or a commit")
    match scheme and (scheme[1].lower(), scheme[2]):
        case None:
            return Repository(url, "ssh", revision or None)
        case ("https" | "ssh" | "file") as protocol, "://":
            _check_url(target, url)
            return Repository(url, protocol, revision or None)
        case _:
            raise _refused(target, "git targets are https://, ssh://, git@host:path and file:// addresses")


@asynccontextmanager
async def checkout(target: str, policy: TargetPolicy) -> AsyncIterator[Checkout]:
    """Give `target` as a directory; what was fetched for it is removed at the end.

    Raises:
        EngineError: `target_refused` (not allowed: outside the roots, another kind of address, an archive that leads
            outside, too large), `target_not_found` (no such directory), `target_unavailable` (could not be fetched),
            or what `TargetPolicy.fetch_artifact` raises.
    """
    parsed = parse_target(target)
    async with scratch_directory("sanctuary-target-") as temporary:
        match parsed:
            case Directory():
                path = _allowed_directory(parsed.path, target, policy)
                yield Checkout(path=path, revision=await _revision(path, temporary), origin=str(path))
            case Repository():
                yield await _fetch(parsed, target, policy, temporary)
            case Artifact():
                yield await _unpack(parsed, policy, temporary)


def _allowed_directory(path: str, target: str, policy: TargetPolicy) -> Path:
    """Resolve a path, symbolic links included.

    Refused before it is looked for: nobody learns what there is outside the roots.
    """
    try:
        resolved = (policy.workspace / path).resolve()
        roots = [root.resolve() for root in (policy.workspace, *policy.roots)]
        if not any(resolved.is_relative_to(root) for root in roots):
            allowed = ", ".join(map(str, dict.fromkeys(roots)))
            raise _refused(
                target,
                f"{resolved} is outside the directories that this clone may read ({allowed}). "
                "Start the network with --root or --workspace for it, or upload it (sanctuary submit --upload)",
            )
        kind = resolved.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        what = f"there is no {resolved} on this clone's machine; upload it, or give a git address"
        raise _not_found(target, what) from error
    except (OSError, RuntimeError) as error:  # a name too long, links in a circle; RuntimeError until Python 3.13
        raise _not_found(target, str(error)) from error
    if not stat.S_ISDIR(kind):
        raise _not_found(target, f"{resolved} is a file, and a target is a directory; name the one that holds it")
    if not os.access(resolved, os.R_OK | os.X_OK):
        raise EngineError(f"target {target!r}: {resolved} may not be read", code=ErrorCode.TARGET_UNAVAILABLE)
    return resolved


async def _revision(path: Path, out: Path) -> str | None:
    try:
        output = await run_engine(
            engine="clones.engines.worktree:revision",
            target=path,
            params=RevisionParams(),
            out=out,
            limits=Limits(timeout_s=_REVISION_TIMEOUT_S),
            on_progress=_ignore,
        )
    except EngineError as error:  # a report without a revision is better than none
        _log.warning("cannot tell the revision of %s: %s", path, error)
        return None
    return msgspec.convert(output.data["revision"], str | None)


async def _fetch(repository: Repository, target: str, policy: TargetPolicy, temporary: Path) -> Checkout:
    url = repository.url
    if repository.protocol == "file":
        path = _allowed_directory(unquote(urlsplit(url).path), target, policy)
        url = "file://" + quote(str(path))  # without the links that led there, so that git opens what was checked
    origin = redact(target)
    params = FetchParams(
        url=url,
        protocol=repository.protocol,
        revision=repository.revision,
        max_bytes=policy.max_bytes,
        max_files=policy.max_files,
        timeout_s=policy.timeout_s,
        ssh_auth_sock=os.environ.get("SSH_AUTH_SOCK"),
    )
    out = temporary / _project_name(url)
    out.mkdir()
    output = await _obtain(
        "clones.engines.worktree:fetch", target=temporary, params=params, out=out, policy=policy, origin=origin
    )
    revision = msgspec.convert(output.data["revision"], str)
    return Checkout(path=out, revision=revision, origin=origin, not_analysed=output.not_analysed)


async def _unpack(artifact: Artifact, policy: TargetPolicy, temporary: Path) -> Checkout:
    origin = f"artifact:{artifact.name}"
    if policy.fetch_artifact is None:
        raise _refused(origin, "this clone takes no uploads")
    archive = await policy.fetch_artifact(artifact.name)
    try:
        out = temporary / "upload"
        out.mkdir()
        params = UnpackParams(max_bytes=policy.max_bytes, max_files=policy.max_files)
        output = await _obtain(
            "clones.engines.unpack:unpack", target=archive, params=params, out=out, policy=policy, origin=origin
        )
    finally:
        archive.unlink(missing_ok=True)
    path = out / msgspec.convert(output.data["root"], str)
    return Checkout(path=path, revision=None, origin=origin, not_analysed=output.not_analysed)


async def _obtain(
    engine: str, *, target: Path, params: msgspec.Struct, out: Path, policy: TargetPolicy, origin: str
) -> EngineOutput:
    """Run an engine that obtains a target, its limits told as the target's."""
    limits = Limits(timeout_s=policy.timeout_s, memory_bytes=policy.memory_bytes)
    try:
        return await run_engine(
            engine=engine, target=target, params=params, out=out, limits=limits, on_progress=_ignore
        )
    except EngineError as error:
        match error.code:
            case ErrorCode.ENGINE_TIMEOUT:
                message = f"target {origin!r} was not there after {policy.timeout_s:g} s"
                raise EngineError(message, code=ErrorCode.TARGET_UNAVAILABLE, retryable=True) from error
            case ErrorCode.MEMORY_EXCEEDED:
                raise _refused(origin, f"it takes more than {policy.memory_bytes} bytes of memory to read") from error
            case _:
                raise EngineError(
                    f"target {origin!r}: {error.message}", code=error.code, retryable=error.retryable
                ) from error


def _check_url(target: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(target, str(error)) from error
    if parts.scheme == "file":
        if host not in (None, "", "localhost") or not parts.path.startswith("/"):
            raise _refused(target, "a file:// address is file:///path")
    elif not host or not _HOST.fullmatch(host) or (parts.username or "").startswith("-"):
        # ssh would take a host or user that begins with `-` for an option
        raise _refused(target, "it names no host")


def _project_name(url: str) -> str:
    """Return the last part of an address: some tools name a project after its directory."""
    last = re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")
    return re.sub(r"[^A-Za-z0-9._-]", "_", last).lstrip(".-") or "project"


def _refused(target: str, why: str) -> EngineError:
    return EngineError(f"target {redact(target)!r} is refused: {why}", code=ErrorCode.TARGET_REFUSED)


def _not_found(target: str, why: str) -> EngineError:
    return EngineError(f"target {redact(target)!r} is not there: {why}", code=ErrorCode.TARGET_NOT_FOUND)


def _ignore(_fraction: float, _message: str) -> None:
    """Drop the progress of what precedes the work."""
