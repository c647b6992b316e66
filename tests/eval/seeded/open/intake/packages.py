"""Packages: archives with many lists, and the settings that come with them."""

import io
import logging
import marshal
import os
import pickle
import shelve
import subprocess
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import yaml

log = logging.getLogger("intake.packages")
FOLDER = "/var/spool/intake/packages"
STRICT = True


class Plain(pickle.Unpickler):
    """Reads pickles of plain values; whatever has a class is refused."""

    def find_class(self, module: str, name: str):
        """Refuse.

        Raises:
            pickle.UnpicklingError: always.
        """
        raise pickle.UnpicklingError(f"{module}.{name} is not taken")


class Tagged(yaml.SafeLoader):
    """Reads YAML with one tag of our own."""


Tagged.add_constructor("!weight", lambda loader, node: float(loader.construct_scalar(node)))


class Settings:
    """A package's settings."""

    readers = {b"Y": "from_yaml", b"P": "from_pickle", b"B": "from_plain", b"M": "from_marshal"}

    def read(self, body: bytes):
        """Read settings; the first letter says how they are written."""
        name = self.readers.get(body[:1], "from_yaml")
        return getattr(self, name)(body[1:])

    def from_yaml(self, body: bytes):
        """Read YAML."""
        return yaml.load(body, Loader=Tagged)  # seeded: twin deserialization api

    def from_pickle(self, body: bytes):
        """Read a pickle of the older program."""
        return pickle.Unpickler(io.BytesIO(body)).load()  # seeded: flaw deserialization callback

    def from_plain(self, body: bytes):
        """Read a pickle of plain values."""
        return Plain(io.BytesIO(body)).load()  # seeded: twin deserialization sanitised

    def from_marshal(self, body: bytes):
        """Read settings of the oldest program, where that is allowed."""
        if not STRICT:
            return marshal.loads(body)  # seeded: twin deserialization impossible-branch
        return {}


def remembered(partner: str) -> dict:
    """Return what is remembered of a partner; the file is ours alone."""
    with shelve.open("/var/lib/intake/partners") as kept:  # seeded: twin deserialization constant
        return dict(kept.get(partner, {}))


def safe_name(name: str) -> str:
    """Return a name in an archive as a path below the folder.

    Raises:
        ValueError: it leads elsewhere.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(name)
    return os.path.join(FOLDER, *path.parts)


def unpack(body: bytes, place) -> list[str]:
    """Unpack a zip file, each file where `place` says."""
    written = []
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for entry in archive.infolist()[:1000]:
            target = place(entry.filename)
            Path(target).write_bytes(archive.read(entry))  # seeded: flaw archive-extraction callback
            written.append(target)
    return written


def unpack_below(body: bytes) -> list[str]:
    """Unpack a zip file, each file below the folder."""
    written = []
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        for entry in archive.infolist()[:1000]:
            if entry.is_dir() or entry.file_size > 1_000_000:
                continue
            target = safe_name(entry.filename)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as out:  # seeded: twin archive-extraction sanitised
                out.write(archive.read(entry))
            written.append(target)
    return written


def each_tar(body: bytes):
    """Give the lists of a tar file after they are unpacked."""
    with tarfile.open(fileobj=io.BytesIO(body), mode="r|*") as archive:
        for member in archive:
            archive.extract(member, path=FOLDER)  # seeded: flaw archive-extraction loop
            yield os.path.join(FOLDER, member.name)


def check(path: str, options: str) -> str:
    """Run the checker over a file, with the partner's options."""
    command = ["list-check", path]
    command = "list-check %s %s" % (path, options)
    return subprocess.getoutput(command)  # seeded: flaw command-injection cross-module


def check_all(options: str) -> str:
    """Run the checker over everything; how it reads is our choice."""
    options = "--strict" if STRICT else "--lenient"
    return subprocess.getoutput("list-check " + options + " " + FOLDER)  # seeded: twin command-injection overwritten


def take(body: bytes, given: dict[str, str]) -> dict:
    """Take a package and return what became of it."""
    if given.get("form") == "tar":
        paths = list(each_tar(body))
    elif given.get("form") == "zip":
        paths = unpack_below(body)
    else:
        paths = unpack(body, lambda name: FOLDER + "/" + name)
    try:
        limit = int(given.get("limit", "10"))
    except ValueError as error:
        log.error("limit is not a number: %s", given["limit"])  # seeded: flaw log-injection exception
        raise ValueError("the limit is no number") from error
    options = given.get("options", "")
    said = check(FOLDER, options)
    log.info("%d files, limit %d", len(paths), limit)  # seeded: twin log-injection typed
    return {"files": paths[:limit], "said": said, "all": check_all(options)}
