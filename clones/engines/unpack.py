"""Unpack an uploaded archive (tar.gz or zip) that a stranger made. An engine, so that its limits bound the unpacking.

Only regular files and directories are written while any entry is still to come, and symbolic links only after them: so
nothing can be written through a link. Git's own directories are left out, for their configuration can start programs.
"""

import errno
import gzip
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import msgspec

from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, Progress
from schemas.errors import ErrorCode

_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_FAULTS_OF_NAMES = (errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP)
_MAX_LINK_BYTES = 4096
_COPY_BYTES = 256 * 1024


class UnpackParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much may come out of an archive."""

    max_bytes: int
    max_files: int
    """Directories and links count too."""


class _Entry(NamedTuple):
    name: str
    kind: str
    """`file`, `directory`, `link` (symbolic), `copy` (a hard link), or what else it is, for the message."""
    link: str = ""
    content: IO[bytes] | None = None
    executable: bool = False


def unpack(target: Path, params: UnpackParams, out: Path, progress: Progress) -> EngineOutput:
    """Unpack the archive file `target` into `out`: `data` is `{"root", "files", "bytes"}`.

    `root` is the path below `out` of the project: the one top folder where everything is in one, else `.`.

    Raises:
        EngineError: `target_refused` for an entry that leads outside or is neither file, directory nor link, and beyond
            the limits; `target_unavailable` where the archive is damaged.
    """
    progress(0.0, "unpacking the upload")
    writer = _Writer(out.resolve(), params)
    try:
        for entry in _entries(target):
            writer.write(entry)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        # the last two: zipfile's words for encrypted members and unknown compression
        raise _damaged(str(error)) from error
    except OSError as error:
        if error.errno is not None:  # without a number it is gzip's "not a gzipped file", "CRC check failed"
            raise
        raise _damaged(str(error)) from error
    writer.make_links()
    top = list(out.iterdir())
    root = top[0].name if len(top) == 1 and top[0].is_dir() and not top[0].is_symlink() else "."
    return EngineOutput(
        summary=f"{writer.files} entries, {writer.bytes} bytes",
        data={"root": root, "files": writer.files, "bytes": writer.bytes},
        not_analysed=tuple(writer.left_out),
    )


class _Writer:
    """Writes entries below a directory, within limits."""

    def __init__(self, out: Path, params: UnpackParams) -> None:
        self.files = 0
        self.bytes = 0
        self.left_out: list[NotAnalysed] = []
        self._out = out
        self._params = params
        self._links: list[tuple[PurePosixPath, str]] = []

    def write(self, entry: _Entry) -> None:
        name = _safe_name(entry.name)
        self.files += 1
        if self.files > self._params.max_files:
            raise _refused(f"it has more than {self._params.max_files} entries")
        if not name.parts:
            return
        if any(part.lower() == ".git" for part in name.parts):
            if name.name.lower() == ".git":
                self.left_out.append(NotAnalysed(subject=str(name), reason="git's own directory in an upload"))
            return
        path = self._out / name
        try:
            match entry.kind:
                case "directory":
                    path.mkdir(parents=True, exist_ok=True)
                case "file" if entry.content is not None:
                    self._write_file(path, entry.content, executable=entry.executable)
                case "copy":
                    original = self._out / _safe_name(entry.link)
                    with original.open("rb") as content:
                        self._write_file(path, content, executable=entry.executable)
                case "link":
                    self._links.append((name, entry.link))
                case _:
                    raise _refused(f"{entry.name!r} is a {entry.kind}")
        except OSError as error:
            raise _contradiction(entry.name, error) from error

    def _write_file(self, path: Path, content: IO[bytes], *, executable: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while data := content.read(_COPY_BYTES):
                self.bytes += len(data)
                if self.bytes > self._params.max_bytes:
                    raise _refused(f"it unpacks to more than {self._params.max_bytes} bytes")
                file.write(data)
        path.chmod(0o755 if executable else 0o644)

    def make_links(self) -> None:
        """Make the symbolic links, now that nothing is written any more, and check where each one leads."""
        made = []
        for name, link in self._links:
            path = self._out / name
            if PurePosixPath(link).is_absolute() or os.path.normpath(name.parent / link).startswith(".."):
                raise _refused(f"the link {str(name)!r} leads outside, to {link!r}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(link)
            except OSError as error:
                raise _contradiction(str(name), error) from error
            made.append((name, path))
        for name, path in made:
            try:
                inside = path.resolve(strict=True).is_relative_to(self._out)
            except (OSError, RuntimeError):  # dangling, too long, or in a circle (RuntimeError until Python 3.13)
                path.unlink()
                self.left_out.append(
                    NotAnalysed(subject=str(name), reason="symbolic link to nothing inside the target")
                )
                continue
            if not inside:
                raise _refused(f"the link {str(name)!r} leads outside")


def _entries(archive: Path) -> Iterator[_Entry]:
    with archive.open("rb") as file:
        magic = file.read(4)
    if magic.startswith(_GZIP):
        yield from _tar_entries(archive)
    elif magic in _ZIP:
        yield from _zip_entries(archive)
    else:
        raise _refused("it is neither a .tar.gz nor a .zip file")


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    # tarfile's own "r|gz" checks neither the checksum nor the end of the compressed data
    with gzip.open(archive) as data, tarfile.open(fileobj=data, mode="r|") as tar:
        for member in tar:
            kind = _tar_kind(member)
            yield _Entry(
                name=member.name,
                kind=kind,
                link=member.linkname,
                content=tar.extractfile(member) if kind == "file" else None,
                executable=bool(member.mode & 0o100),
            )
            tar.members.clear()  # type: ignore[attr-defined] # tarfile keeps every header; a long archive's fill the memory
        while data.read(_COPY_BYTES):  # to the checksum, which stands behind the last entry
            pass


def _tar_kind(member: tarfile.TarInfo) -> str:
    if member.isreg():
        return "file"
    if member.isdir():
        return "directory"
    if member.issym():
        return "link"
    if member.islnk():
        return "copy"
    return "device" if member.isdev() else f"tar entry of type {member.type!r}"


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as archived:
        for member in archived.infolist():
            mode = member.external_attr >> 16  # unix mode, 0 where another system made the archive
            if member.is_dir():
                yield _Entry(name=member.filename, kind="directory")
            elif mode and stat.S_ISLNK(mode):
                with archived.open(member) as content:
                    link = content.read(_MAX_LINK_BYTES).decode("utf-8", "surrogateescape")
                yield _Entry(name=member.filename, kind="link", link=link)
            elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
                with archived.open(member) as content:
                    yield _Entry(name=member.filename, kind="file", content=content, executable=bool(mode & 0o100))
            else:
                yield _Entry(name=member.filename, kind="device")


def _safe_name(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise _refused(f"{name!r} leads outside")
    return path


def _contradiction(name: str, error: OSError) -> Exception:
    """Turn the archive's own faults into a refusal; the disk's stay what they are."""
    if error.errno in _FAULTS_OF_NAMES:
        return _refused(f"{name!r} contradicts another entry or is no possible name ({error.strerror})")
    return error


def _refused(what: str) -> EngineError:
    return EngineError(f"the uploaded archive is refused: {what}", code=ErrorCode.TARGET_REFUSED)


def _damaged(what: str) -> EngineError:
    return EngineError(
        f"the uploaded archive cannot be read: {what}; upload it again", code=ErrorCode.TARGET_UNAVAILABLE
    )
