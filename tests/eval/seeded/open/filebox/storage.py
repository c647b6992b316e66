"""Files on disk: reading, writing, unpacking."""

import os
import shutil
import tarfile
import zipfile
from pathlib import Path

from settings import INCOMING, LIMIT_BYTES, PUBLIC, ROOT


class Refused(Exception):
    """A name or an archive that the box does not take."""


def inside(folder: Path, name: str) -> Path:
    """Return the path of a name in a folder.

    Raises:
        Refused: the name leads out of the folder.
    """
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Refused(name)
    return path


def read_public(name: str) -> bytes:
    """Return a public file."""
    return inside(PUBLIC, name).read_bytes()  # seeded: twin path-traversal sanitised


def chunks(owner: str, name: str, size: int = 65_536):
    """Give a file piece by piece."""
    with open(f"{ROOT}/{owner}/{name}", "rb") as source:  # seeded: flaw path-traversal generator
        while piece := source.read(size):
            yield piece


class Folder:
    """Somebody's folder."""

    def __init__(self, owner: str) -> None:
        self.path = ROOT / owner

    def store(self, name: str, content: bytes) -> int:
        """Write a file and return how long it is."""
        target = self.path / name
        return target.write_bytes(content)


class Drawer(Folder):
    """A folder whose files nobody else sees."""

    def discard(self, name: str) -> None:
        """Remove a file."""
        os.unlink(os.path.join(self.path, ".drawer", name))  # seeded: flaw path-traversal inheritance

    def empty(self) -> None:
        """Remove all files."""
        shutil.rmtree(ROOT / "drawers" / "old")  # seeded: twin path-traversal constant


def unpack_zip(stream, folder: str) -> list[str]:
    """Unpack a zip file below the incoming files, keeping the files' times."""
    written = []
    with zipfile.ZipFile(stream) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            target = os.path.join(INCOMING, folder, entry.filename)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as out:  # seeded: flaw archive-extraction loop
                out.write(archive.read(entry))
            written.append(target)
    return written


def unpack_checked(stream) -> list[str]:
    """Unpack a zip file whose unpacked size is within the limit."""
    with zipfile.ZipFile(stream) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LIMIT_BYTES:
            raise Refused("too large")
        archive.extractall(INCOMING)  # seeded: twin archive-extraction api
        return archive.namelist()


def unpack_tar(stream) -> int:
    """Unpack the plain files of a tar file by their last names only, each once looked at."""
    count = 0
    with tarfile.open(fileobj=stream) as archive:
        for member in archive:
            if not member.isfile() or member.size > LIMIT_BYTES:
                continue
            member.name = os.path.basename(member.name) or "unnamed"
            archive.extract(member, INCOMING, filter="data")  # seeded: twin archive-extraction sanitised
            count += 1
    return count


def restore(upload: Path) -> None:
    """Bring a backup that its owner kept back."""
    shutil.unpack_archive(upload, ROOT / "restored", "gztar")  # seeded: flaw archive-extraction async
