"""The report's statements for a program: `report.json`."""

from typing import Any

import msgspec

from clones.engines.report.view import Report


def page(report: Report) -> str:
    """Return it as JSON text: `workflow`, `target`, `revision`, and `statements`.

    Each has `number`, `section`, `task_id`, `text`, `how_to_check`, `expected` and perhaps `needs_file`. They are those of
    the two pages, in their order and with their numbers. `section` is the chapter's heading; `how_to_check` is a command
    for `sh` in the target's directory and `expected` what it prints, without the last line end; `needs_file` names an
    artifact of the task that has to lie there, too.
    """
    statements: list[dict[str, Any]] = []
    for chapter in report.chapters:
        for each in chapter.checks:
            told: dict[str, Any] = {
                "number": each.number,
                "section": chapter.title,
                "task_id": chapter.section.task_id,
                "text": each.check.text,
                "how_to_check": each.check.how_to_check,
                "expected": each.check.expected,
            }
            if each.check.needs_file:
                told["needs_file"] = each.check.needs_file
            statements.append(told)
    source = report.source
    whole = {
        "workflow": source.workflow,
        "target": source.target,
        "revision": source.revision,
        "statements": statements,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
