import hashlib
import os
import shutil
import tarfile
import zipfile
from pathlib import Path

STORE = Path("/var/lib/noticeboard")


def attach(name, text):
    target = STORE / name
    target.write_text(text)  # seeded: flaw path-traversal cross-module


def attach_checked(name, text):
    if "/" in name or "\\" in name or name.startswith("."):
        raise ValueError("a plain file name, please")
    target = STORE / name
    target.write_text(text)  # seeded: twin path-traversal sanitised


def checksum(path):
    digest = hashlib.md5()  # seeded: flaw weak-hash direct
    digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def checksum_strong(path):
    digest = hashlib.blake2b()  # seeded: twin weak-hash api
    digest.update(Path(path).read_bytes())
    return digest.hexdigest()


def restore(path, into):
    shutil.unpack_archive(path, into)  # seeded: flaw archive-extraction direct


def restore_filtered(path, into):
    shutil.unpack_archive(path, into, filter="data")  # seeded: twin archive-extraction api


def _open(path):
    return tarfile.open(path, "r:*")


def unpack(path, into):
    with _open(path) as archive:
        archive.extractall(path=into)  # seeded: flaw archive-extraction helper


def unpack_checked(path, into):
    base = os.path.realpath(into)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            target = os.path.realpath(os.path.join(base, info.filename))
            if os.path.commonpath([base, target]) != base:
                raise ValueError(info.filename)
            if not info.is_dir():
                with open(target, "wb") as file:  # seeded: twin archive-extraction sanitised
                    file.write(archive.read(info))
