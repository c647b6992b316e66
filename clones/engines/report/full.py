"""Where everything stands that a bounded list leaves out."""

import shlex

from clones.engines.report.model import Section


def full_data(section: Section, name: str) -> str:
    """Name an artifact of the task, or the command that shows the task's result where it has no artifact of that name."""
    if name in section.files:
        return name
    return f"sanctuary task show {shlex.quote(section.task_id)} --json" if section.task_id else "the task's data"
