import os
from pathlib import Path

ROOT = "/srv/bookshop"


def inside(directory, name):
    """Return the file of that name in a directory, or None if the name leads out of it."""
    base = Path(directory).resolve()
    path = (base / name).resolve()
    if not path.is_relative_to(base):
        return None
    return path


class Shelf:
    suffix = ".txt"

    def __init__(self, name):
        self.directory = os.path.join(ROOT, name)

    def locate(self, name):
        return os.path.join(self.directory, name + self.suffix)

    def read(self, name):
        path = self.locate(name)
        with open(path, encoding="utf-8") as file:  # seeded: flaw path-traversal class
            return file.read()


class Attic(Shelf):
    def read(self, name):
        path = os.path.realpath(self.locate(name))
        if not path.startswith(os.path.realpath(self.directory) + os.sep):
            raise LookupError(name)
        with open(path, encoding="utf-8") as file:  # seeded: twin path-traversal sanitised
            return file.read()
