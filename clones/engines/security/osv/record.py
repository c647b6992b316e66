"""An advisory as OSV's schema has it, the fields that matching needs (https://ossf.github.io/osv-schema/)."""

import datetime as dt
from typing import Any, Literal

import msgspec

from clones.engines.security.osv.versions import Ecosystem, Range, normalised

ECOSYSTEMS: tuple[Ecosystem, ...] = ("PyPI", "npm", "Go")
"""Those whose versions can be ordered here; records of others are passed over."""


class Package(msgspec.Struct, frozen=True):
    """What is affected."""

    ecosystem: str
    name: str


class Severity(msgspec.Struct, frozen=True):
    """One rating: a vector of CVSS, or another score."""

    type: str
    score: str


class Affected(msgspec.Struct, frozen=True, kw_only=True):
    """Which versions of one package are affected."""

    package: Package | None = None
    ranges: tuple[Range, ...] | None = None
    versions: tuple[str, ...] | None = None
    severity: tuple[Severity, ...] | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a dump. Unknown fields are passed over, as the schema demands of its readers."""

    id: str
    modified: dt.datetime
    schema_version: str = "1.0.0"
    withdrawn: dt.datetime | None = None
    aliases: tuple[str, ...] | None = None
    summary: str | None = None
    details: str | None = None
    severity: tuple[Severity, ...] | None = None
    affected: tuple[Affected, ...] | None = None
    database_specific: dict[str, Any] | None = None


class Advisory(msgspec.Struct, frozen=True, kw_only=True):
    """What the database holds of a record for one package."""

    id: str
    modified: dt.datetime
    aliases: tuple[str, ...]
    summary: str
    severity: Literal["critical", "high", "medium", "low"] | None
    vector: str
    """The CVSS vector that the severity is of, or empty."""
    cwes: tuple[int, ...]
    ranges: tuple[Range, ...]
    versions: tuple[str, ...]

    @property
    def names(self) -> frozenset[str]:
        """All ids that it goes by."""
        return frozenset((self.id, *self.aliases))


class RecordError(ValueError):
    """Why a file holds no record that is understood."""


def read(content: bytes) -> Record:
    """Decode one record.

    Raises:
        RecordError: it is none of OSV schema 1.x.
    """
    try:
        record = msgspec.json.decode(content, type=Record)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RecordError(str(error)) from None
    if not record.schema_version.startswith("1."):
        raise RecordError(f"OSV schema {record.schema_version} is not known, only 1.x")
    if not record.id:
        raise RecordError("its id is empty")
    return record


def packages(record: Record) -> dict[tuple[Ecosystem, str], list[Affected]]:
    """Return what a record says of each package of an ecosystem that is known here, by normalised name."""
    found: dict[tuple[Ecosystem, str], list[Affected]] = {}
    for affected in record.affected or ():
        package = affected.package
        ecosystem = next((each for each in ECOSYSTEMS if package and package.ecosystem == each), None)
        if package is not None and ecosystem is not None:
            found.setdefault((ecosystem, normalised(ecosystem, package.name)), []).append(affected)
    return found
