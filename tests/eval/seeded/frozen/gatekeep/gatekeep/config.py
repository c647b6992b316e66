"""What the operator decides, read from the environment."""

from dataclasses import dataclass, field
from os import environ
from pathlib import Path


@dataclass(frozen=True)
class Config:
    """The service's configuration."""

    ldap: str = environ.get("GATEKEEP_LDAP", "ldaps://directory.example")
    base: str = environ.get("GATEKEEP_BASE", "dc=directory,dc=example")
    mongo: str = environ.get("GATEKEEP_MONGO", "mongodb://localhost")
    secret: str = environ.get("GATEKEEP_SECRET", "")
    themes: Path = Path(environ.get("GATEKEEP_THEMES", "/etc/gatekeep/themes"))
    federation: Path = Path("/etc/gatekeep/federation.xml")
    own_hosts: frozenset[str] = field(default_factory=lambda: frozenset({"portal.example", "mail.example"}))


CONFIG = Config()
LEGACY_IMPORT = False
