"""What a report has of the examples that were run: counts, the outcome of each, and findings with a command that shows them again."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from textwrap import dedent
from typing import Any

import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.examples import Looked
from clones.engines.documentation.examples.judging import DIFFERS, FAILED, NOT_RUN, RAN, Outcome
from clones.engines.documentation.examples.steps import Document, Example, Step
from clones.engines.statements import MAX_SHOWN_CHARS, Lines, Statement, quoted

_WORST_FIRST = (FAILED, DIFFERS, NOT_RUN, RAN)
_PROMPTED = re.compile(r"^ *(>>>|\.\.\.) ?")
_CLASS = re.compile(r"[\w.<>]{1,200}", re.ASCII)
"""A class may have any name; this one is put into a command."""
_TYPED = f"s/{_PROMPTED.pattern}//p"
_ECHOED = "import ast,sys; [exec(compile(ast.Interactive([n]),'-','single'),globals()) for n in ast.parse(sys.stdin.read()).body]"
"""Runs what it reads as if it were typed, so that values are printed."""
_RUNS = "the command runs the document's own code in the directory where it is started, without a sandbox"
_MAX_PRINTED_LINES = 10
MAX_COMMANDS = 100
"""Findings that have a command of their own."""
_MAX_SCRIPT_CHARS = 2000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a report."""

    data: dict[str, Any]
    findings: tuple[tuple[Finding, Statement | None], ...]
    """By file and line, each with how to see it again; None: the line is all there is to see."""
    notes: tuple[NotAnalysed, ...]
    summary: str


def tell(looked: Looked, lines: Lines) -> Told:
    """Return what is said of what came of the examples."""
    rows = []
    findings: dict[Finding, Statement | None] = {}
    for document, outcomes in looked.outcomes:
        rows += list(_rows(document, outcomes))
        for finding, make in _findings(document, outcomes, lines, looked.roots):
            if finding not in findings:
                findings[finding] = make() if len(findings) < MAX_COMMANDS else None
    counts = Counter(str(row["outcome"]) for row in rows)
    data: dict[str, Any] = {
        "documents": len(looked.outcomes),
        "blocks": len(rows),
        "ran": counts[RAN],
        "failed": counts[FAILED],
        "differs": counts[DIFFERS],
        "not_run": counts[NOT_RUN],
        "complete": looked.complete,
        "outcomes": rows,
    }
    if looked.environment is not None:
        data["environment"] = looked.environment.report()
    notes = [*looked.left_out]
    if looked.reason:
        data["reason"] = looked.reason
        notes.append(NotAnalysed(subject="examples", reason=looked.reason))
    elif counts[NOT_RUN]:
        reason = f"{counts[NOT_RUN]} of {len(rows)} were not run to their end; `examples.outcomes` says why of each"
        notes.append(NotAnalysed(subject="examples", reason=reason))
    judged = counts[RAN] + counts[FAILED] + counts[DIFFERS]
    summary = f"Of {len(rows)} examples {judged} were run, {counts[FAILED] + counts[DIFFERS]} of them do not do what they show."
    return Told(data=data, findings=tuple(sorted(findings.items(), key=_by_place)), notes=tuple(notes), summary=summary)


def _by_place(item: tuple[Finding, Statement | None]) -> Finding:
    return item[0]


def _rows(document: Document, outcomes: Sequence[Outcome]) -> Iterator[dict[str, Any]]:
    remaining = iter(outcomes)
    for group in document.groups:
        for example in group.examples:
            own = [next(remaining) for _ in example.steps]
            worst = min(own, key=lambda each: _WORST_FIRST.index(each.outcome))
            row = {"file": document.file, "line": example.line, "outcome": worst.outcome}
            yield {**row, "reason": worst.reason, "at": worst.line} if worst.reason else row


def _findings(
    document: Document, outcomes: Sequence[Outcome], lines: Lines, roots: str
) -> Iterator[tuple[Finding, Callable[[], Statement | None]]]:
    """Yield what does not hold, each with what makes the command that shows it."""
    remaining = iter(outcomes)
    for group in document.groups:
        command = _Command(lines, document.file, group.module, roots)
        before: list[Step] = []
        for example in group.examples:
            for step in example.steps:
                outcome = next(remaining)
                if outcome.outcome in {FAILED, DIFFERS}:
                    finding = _finding(document, example, outcome)
                    yield finding, partial(command.statement, finding, (*before, step), outcome)
                if outcome.outcome in {RAN, DIFFERS} and not outcome.error:
                    before.append(step)


def _finding(document: Document, example: Example, outcome: Outcome) -> Finding:
    rule = "example-fails" if outcome.outcome == FAILED else "example-differs"
    what = "session" if any(step.typed for step in example.steps) else "block"
    message = (
        f"this {what} fails: {outcome.reason}" if outcome.outcome == FAILED else f"in this session {outcome.reason}"
    )
    return Finding(file=document.file, line=outcome.line, rule=rule, message=message)


class _Command:
    """Makes the command that runs a document's steps up to one of them, from the document's own lines."""

    def __init__(self, lines: Lines, file: str, module: str | None, roots: str) -> None:
        self._lines = lines.of(file)
        self._file = file
        self._module = module
        self._roots = roots

    def statement(self, finding: Finding, steps: Sequence[Step], outcome: Outcome) -> Statement | None:
        """Return how to see an outcome of the last of `steps`; None where lines alone do not make what was run."""
        script = self._script(steps)
        if (
            script is None
            or len(script) > _MAX_SCRIPT_CHARS
            or not _runs_at_once(steps)
            or not self._file.isprintable()
        ):
            return None
        source = f"sed -nE '{script}' {quoted(self._file)}"
        if self._module is not None:
            source = f"(echo 'import {self._module} as m; globals().update(vars(m))'; {source})"
        command = f"{source} | PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={self._roots} python3"
        text = f"{finding.file}:{finding.line}: {finding.message} ({_RUNS})"
        if outcome.error and _CLASS.fullmatch(outcome.error):
            # the lines of a group of exceptions have a bar in front
            shown = f"{command} - 2>&1 >/dev/null | sed -nE 's/^( *[|] )?({outcome.error}).*/\\2/p' | tail -n 1"
            return Statement(text=text, how_to_check=shown, expected=outcome.error)
        if outcome.error:
            return None
        printed = outcome.printed.rstrip().splitlines()
        plain = all(line.isascii() and line.isprintable() and len(line) <= MAX_SHOWN_CHARS for line in printed)
        if not printed or len(printed) > _MAX_PRINTED_LINES or not plain or "0x" in outcome.printed:
            return None
        shown = f'{command} -c "{_ECHOED}" 2>/dev/null | tail -n {len(printed)}'
        return Statement(text=text, how_to_check=shown, expected="\n".join(printed))

    def _script(self, steps: Sequence[Step]) -> str | None:
        """Return what sed does to print steps; None where it would print something else."""
        parts: list[tuple[int, int, str]] = []
        for step in steps:
            last, what = self._part(step)
            if what is None:
                return None
            if parts and parts[-1][2] == what == _TYPED and not any(self._typed(parts[-1][1] + 1, step.line - 1)):
                parts[-1] = (parts[-1][0], last, what)
            else:
                parts.append((step.line, last, what))
        return ";".join(f"{first},{last}{what}" if last > first else f"{last}{what}" for first, last, what in parts)

    def _part(self, step: Step) -> tuple[int, str | None]:
        """Return a step's last line, and what sed does with its lines."""
        wanted = step.source.rstrip("\n").split("\n")
        last = step.line + len(wanted) - 1
        if step.typed:
            return last, _TYPED if list(self._typed(step.line, last)) == wanted else None
        found = self._lines[step.line - 1 : last]
        indent = min((len(line) - len(line.lstrip()) for line in found if line.strip()), default=0)
        if dedent("\n".join(found)).split("\n") != wanted or any("\t" in line for line in found):
            return last, None
        return last, f"{{s/^ {{{indent}}}//;p;}}" if indent else "p"

    def _typed(self, first: int, last: int) -> Iterator[str]:
        """Yield what is typed in some lines."""
        for line in self._lines[first - 1 : last]:
            if _PROMPTED.match(line):
                yield _PROMPTED.sub("", line)


def _runs_at_once(steps: Sequence[Step]) -> bool:
    try:
        compile("\n".join(step.source for step in steps), "example", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
