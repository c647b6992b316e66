"""Mappings, which come with the feeds: what a feed's columns mean to us."""

import marshal
import pickle
import re
from collections.abc import Mapping as Values
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from yaml.constructor import SafeConstructor

CHECKPOINTS = Path("/var/lib/feedmill/checkpoints")
FUNCTIONS = {"upper": str.upper, "lower": str.lower, "strip": str.strip, "title": str.title}
_PRICE = re.compile(r"(\d+)[.,](\d\d)")


class PlainLoader(yaml.SafeLoader):
    """YAML with `!join`, and nothing else."""


def _join(loader: SafeConstructor, node: yaml.SequenceNode) -> str:
    return "".join(loader.construct_sequence(node))


PlainLoader.add_constructor("!join", _join)


@dataclass
class Mapping:
    """From a feed's columns to ours."""

    columns: dict[str, str]
    computed: dict[str, str] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Mapping":
        """Read a mapping that lies beside its feed."""
        if path.suffix == ".pickle":
            return cls(**pickle.loads(path.read_bytes()))  # seeded: flaw deserialization class
        if path.suffix == ".yml":
            return cls.plain(path.read_text("utf-8"))
        with path.open("rb") as file:
            return cls(**yaml.unsafe_load(file))  # seeded: flaw deserialization cross-module

    @classmethod
    def plain(cls, text: str) -> "Mapping":
        """Read a mapping as partners should write it."""
        return cls(**yaml.load(text, Loader=PlainLoader))  # seeded: twin deserialization api

    def apply(self, row: Values[str, str]) -> dict[str, str]:
        """The row in our columns."""
        made = {ours: row[theirs] for ours, theirs in self.columns.items()}
        for name, expression in self.computed.items():
            made[name] = eval(expression, {"row": row, "re": re})  # seeded: flaw code-injection cross-module
        for name, change in self.changes.items():
            made[name] = FUNCTIONS[change](made[name])
        if "price" in made:
            made["cents"] = str(price(made["price"]))
        return made


def price(text: str) -> int:
    """A price in cents."""
    found = _PRICE.search(text)
    return eval("100 * int('%s') + int('%s')" % found.groups()) if found else 0  # seeded: twin code-injection sanitised


def checkpoint(name: str) -> dict[str, int]:
    """How far each of our own runs has come."""
    with open(CHECKPOINTS / "runs.marshal", "rb") as file:
        return marshal.load(file).get(name, {})  # seeded: twin deserialization constant
