"""Where things are on the build host."""

import logging
from functools import lru_cache
from pathlib import Path

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Read from the environment, with the prefix PIPEBOARD_."""

    workspace: Path = Path("/srv/ci/workspace")
    artifacts: Path = Path("/srv/ci/artifacts")
    mongo: str = "mongodb://db/pipeboard"
    mirror_hosts: tuple[str, ...] = ("mirror.ci.example", "packages.ci.example")


@lru_cache
def settings() -> Settings:
    """The settings, read once."""
    return Settings()


audit = logging.getLogger("pipeboard.audit")
