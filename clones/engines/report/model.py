"""What a report is written over: the outcome of each task of a workflow, and the audit trail behind them.

Everything here comes from results and ledger entries; names, messages and data may hold text of an untrusted target.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from clones.engines.contract import NotAnalysed

State = Literal["completed", "failed", "skipped"]


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """The network that did the work."""

    realm: str
    server_version: str


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """One task of the workflow and how it ended."""

    task_type: str
    clone: str
    state: State
    task_id: str = ""
    """Empty for a task that was never submitted (`skipped`)."""
    instance: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration_s: float | None = None
    """From the handler's start to its outcome."""
    queued_s: float | None = None
    """From the stored task to the handler's start."""
    attempt: int = 1
    summary: str = ""
    data: dict[str, Any] = {}
    """`EngineOutput.data` of the task's engine; empty unless `completed`."""
    files: dict[str, Path | None] = {}
    """Artifacts by name; the path where the file lies at hand (pictures should), None where only its name is known."""
    not_analysed: tuple[NotAnalysed, ...] = ()
    advice: Any = None
    """`output["advice"]` of the task's result: what a language model said about the data; None where none was asked."""
    error_code: str = ""
    error_message: str = ""
    """Why a task failed or was skipped, for a person."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the ledger that belongs to the workflow."""

    seq: int
    time: datetime
    subject: str
    kind: str
    """The message's type, such as `TaskAssignment`."""
    task_id: str = ""
    clone: str = ""


class ReportInput(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run of a workflow."""

    workflow: str = "Review"
    """What was done, as the report's heading says it."""
    about: str = ""
    """What the report answers, in a sentence or two below its heading."""
    project: str
    target: str
    created_at: datetime
    network: Network
    revision: str = ""
    """Commit or version of the target; empty when it has none."""
    sections: tuple[Section, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
