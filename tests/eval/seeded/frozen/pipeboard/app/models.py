"""What requests look like."""

import re
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


class Shell(str, Enum):
    """The shells in which a step may run."""

    bash = "bash"
    dash = "dash"


class Trigger(BaseModel):
    """Start a pipeline on a branch."""

    project: UUID
    branch: str
    label: str = ""
    variables: dict[str, str] = Field(default_factory=dict)


class Checkout(BaseModel):
    """Bring a branch into the workspace; the branch is a plain name."""

    model_config = ConfigDict(frozen=True)

    branch: str
    depth: int = 1

    @field_validator("branch")
    @classmethod
    def plain(cls, value: str) -> str:
        """Names only."""
        if not _BRANCH.fullmatch(value):
            raise ValueError("a branch is letters, digits, dots, dashes and underscores")
        return value


class Search(BaseModel):
    """Runs to look for."""

    author: str
    more: dict[str, Any] = Field(default_factory=dict)
    limit: int = 50


class Notice(BaseModel):
    """Where to tell of a run's end."""

    url: str
    title: str
    template: str = "{{ title }} ended: {{ status }}"
