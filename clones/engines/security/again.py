"""How a finding is seen again: in words for the person who judges it, and as a statement that a program checks."""

import shlex
from collections.abc import Callable

from clones.engines.security.merge import Merged
from clones.engines.security.reported import Reported
from clones.engines.statements import Lines, Statement, quoted

_AROUND_LINES = 2
_MAX_LINES = 20

TextAt = Callable[[str, int], str]
"""The line of a file, without secrets."""


def how_to_check(each: Merged, check: str) -> str:
    """Say what to look at, and how to have the scanner report it again."""
    file = quoted(each.path)
    shown = f"sed -n '{max(1, each.line - _AROUND_LINES)},{min(each.end_line, each.line + _MAX_LINES) + _AROUND_LINES}p' {file}"
    again = _by_hand(each.reported[0], file)
    return f"`{shown}`: {check}.{f' To see it reported: `{again}`.' if again else ''}"


def _by_hand(result: Reported, file: str) -> str:
    match result.engine:
        case "bandit":
            return f"bandit -t {result.rule} {file}"
        case "ruff":
            return f"ruff check --isolated --select {result.rule} {file}"
        case "gitleaks":
            return f"gitleaks dir --redact --verbose {file}"
    return ""


def statement(each: Merged, title: str, text_at: TextAt, lines: Lines) -> Statement:
    """Show the lines on the way to it, those with secrets left out, and that the scanner reports it, where it can tell."""
    first = each.reported[0]
    places = [(step.path, step.line) for step in each.flow] or [(each.path, each.line)]
    clear = [place for place in places if text_at(*place) and text_at(*place) == lines.at(*place)]
    commands, expected = [], []
    if clear and first.engine != "gitleaks":
        command, printed = lines.shown(clear)
        commands.append(command)
        expected.append(printed)
    reported = _for_programs(first, quoted(each.path))
    if reported or not commands:
        commands.append(f"{reported or f'test -f {quoted(each.path)}'} && echo found")
        expected.append("found")
    said = title.replace("`", "")
    return Statement(
        text=f"{each.path}:{each.line}: {said} ({first.engine} {first.rule})",
        how_to_check="; ".join(commands),
        expected="\n".join(expected),
    )


def _for_programs(result: Reported, file: str) -> str:
    """Return a command that succeeds where the scanner reports it on its line; empty where there is none for one rule."""
    line, rule = result.line, shlex.quote(result.rule)
    match result.engine:
        case "bandit":
            return (
                f"bandit --ini /dev/null -q -t {rule} -f custom --msg-template '{{line}} {{test_id}}' {file} 2>/dev/null "
                f"| grep -qx '{line} {rule}'"
            )
        case "ruff":
            return (
                f"ruff check --isolated --no-cache -q --select {rule} --output-format concise {file} "
                f"| grep -q '^[^:]*:{line}:'"
            )
        case "gitleaks":
            return (
                f"gitleaks dir --redact --verbose --no-banner --no-color {file} 2>/dev/null "
                f"| grep -qx 'Fingerprint: .*:{rule}:{line}'"
            )
    return ""
