"""Reports that are kept between requests."""

import base64
import hashlib
import hmac
import json
import os
import pickle
from pathlib import Path

import joblib
import numpy
import yaml

KEY = os.environb.get(b"REPORT_KEY") or os.urandom(32)
FOLDER = Path("/var/lib/reports")
EXAMPLE = pickle.dumps({"title": "Example", "rows": []})


def pack(report: object) -> str:
    """Return a report as a text with its seal."""
    body = pickle.dumps(report)
    return base64.b64encode(hmac.digest(KEY, body, "sha256") + body).decode()


def unpack(sealed: str) -> object:
    """Return the report of a sealed text.

    Raises:
        ValueError: it was not sealed here.
    """
    raw = base64.b64decode(sealed)
    seal, body = raw[:32], raw[32:]
    if not hmac.compare_digest(seal, hmac.digest(KEY, body, "sha256")):
        raise ValueError("not sealed here")
    return pickle.loads(body)  # seeded: twin deserialization sanitised


def resume(state: str) -> object:
    """Return the state of a report that a browser kept."""
    compact = base64.urlsafe_b64decode(state.encode())
    return pickle.loads(compact)  # seeded: flaw deserialization cross-module


def example() -> object:
    """Return the report that newcomers see."""
    return pickle.loads(EXAMPLE)  # seeded: twin deserialization constant


def definition(text: str) -> dict:
    """Return a report's definition."""
    return yaml.load(text, Loader=yaml.CSafeLoader)  # seeded: twin deserialization api


def definition_of_old(text: str) -> dict:
    """Return a report's definition in the form of before, with its own tags."""
    return yaml.load(text, Loader=yaml.UnsafeLoader)  # seeded: flaw deserialization helper


def series(path: Path):
    """Return a series of numbers that a customer sent."""
    return numpy.load(path, allow_pickle=False)  # seeded: twin deserialization api


class Forecast:
    """A forecast's model, as customers train it themselves and send it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.model = None

    def load(self) -> "Forecast":
        """Read the model."""
        self.model = joblib.load(self.path)  # seeded: flaw deserialization class
        return self


def path_of(name: str) -> Path:
    """Return where a report of a name is kept; names are told apart by their digest."""
    return FOLDER / hashlib.sha256(name.encode()).hexdigest()


def saved(name: str) -> dict:
    """Return a saved report."""
    return json.loads(path_of(name).read_text())  # seeded: twin path-traversal sanitised


def shared(name: str) -> str:
    """Return a report that is shared as text."""
    name = name.replace("../", "")
    return (FOLDER / "shared" / name).read_text()  # seeded: flaw path-traversal cross-module
