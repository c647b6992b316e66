"""The ids of tasks that people name, and what is said where they name none."""

from ops.cli.text import clean
from ops.hints import command_line
from schemas import is_task_id


def check_id(task_id: str) -> None:
    """Refuse what can be no task's id.

    Raises:
        ValueError: it cannot.
    """
    if not is_task_id(task_id):
        raise ValueError(f"{clean(task_id)!r} is no task id: those have 1 to 64 of A-Z a-z 0-9 _ -")


def no_such_task(task_id: str) -> str:
    """Return what is said where an id is not found."""
    return f"there is no task {task_id}; `{command_line('task list')}` shows the newest"
