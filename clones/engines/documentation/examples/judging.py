"""What a run of a step says of the document: that it holds, that it does not, or nothing.

A failure is the document's only where it must be every reader's. What a reader may have and the run had not leaves a step
undecided, as does what rests on a step that was left alone: both count as not run.
"""

import ast
import doctest
import re
from itertools import zip_longest

import msgspec

from clones.engines.documentation.examples.ends import ADDRESS, End, Error
from clones.engines.documentation.examples.lacking import Here, lacks, needs
from clones.engines.documentation.examples.steps import Step

RAN, FAILED, DIFFERS, NOT_RUN = "ran", "failed", "differs", "not run"
NO_TIME = "the budget was used up"

_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_CHANGES = re.compile(r"\b(?:now|today|utcnow|time|localtime|gmtime|ctime|uuid\w*|random|randint|getpid|urandom)\s*\(")
_ON_PURPOSE = re.compile(
    r"\b(?:rais|err(?:or|s)|fail|wrong|invalid|illegal|not allowed|don't|forbid|broken|crash)", re.IGNORECASE
)
_OTHER_VERSIONS = re.compile(
    r"deprecat|\bremov|\bno longer\b|\binstead of\b|\blegacy\b|\bobsolete\b|\bold(?:er)?\b|\bformerly\b|\bused to be\b",
    re.IGNORECASE,
)
"""Where that is said, what is imported may have been there once."""
_MADE = re.compile(
    r"^[ \t]*(?:(?:async )?def |class |from .* import |import )?(\w+)(?=[ \t]*(?:[=(:,]|$))", re.MULTILINE | re.ASCII
)
_WORD = re.compile(r"\w+")
_MAX_SHOWN = 100


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a step."""

    outcome: str
    """`RAN`, `FAILED`, `DIFFERS` or `NOT_RUN`."""
    line: int
    reason: str = ""
    error: str = ""
    """The class of what it raised, also where the document says so."""
    printed: str = ""
    """Where it differs."""


def judge(step: Step, end: End, here: Here, *, text: str, limit_s: float) -> Outcome:
    """Decide what a step's end says; `text` is the document around it, `limit_s` what it had of time."""
    if end.late:
        reason = f"it had not ended after {limit_s:g} s: a server, or what waits for something"
        return _not_run(step, reason)
    found = _without_error(step, end) if end.error is None else _with_error(step, end.error, here, text)
    rests_on = _rests_on(step, here) if found.outcome in {FAILED, DIFFERS} else None
    return found if rests_on is None else _not_run(step, rests_on)


def with_second(first: Outcome, second: Outcome, unended: str) -> Outcome:
    """Return what holds of a step that was run twice: what comes out otherwise the second time says nothing of the document.

    `unended` is why it came to no end the second time: then there is nothing to compare with.
    """
    if first.outcome not in {FAILED, DIFFERS}:
        return first
    if unended:
        return Outcome(outcome=NOT_RUN, line=first.line, reason=unended)
    if (first.outcome, first.error, first.printed) != (second.outcome, second.error, second.printed):
        return Outcome(outcome=NOT_RUN, line=first.line, reason="it comes out otherwise each time")
    return first if first.reason == second.reason else msgspec.structs.replace(first, reason=f"it raises {first.error}")


def agrees(step: Step, printed: str) -> bool:
    """Tell whether what a step prints is what the document shows, however it is broken into lines or cut short.

    A document that shows nothing, or a comment, says nothing. Addresses and the order of a set are another each time, and doctest's runners
    differ in what they call the module of a document.
    """
    want, got = _plain(step.want), _plain(printed)
    if all(line.lstrip().startswith("#") for line in want.splitlines() if line.strip()):
        return True
    flags = _FLAGS
    for name in step.options:
        flags |= doctest.OPTIONFLAGS_BY_NAME.get(name, 0)
    if doctest.OutputChecker().check_output(want, got, flags):
        return True
    try:
        return bool(ast.literal_eval(want.strip()) == ast.literal_eval(got.strip()))
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError):
        return False


def made(step: Step) -> frozenset[str]:
    """Return the names that a step would make at its top."""
    try:
        body = ast.parse(step.source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset(_MADE.findall(step.source))
    names: set[str] = set()
    for node in body:
        # what a function's or a class's body makes is not seen outside of it
        inner = [node] if isinstance(node, _DEFINITIONS) else ast.walk(node)
        for each in inner:
            if isinstance(each, _DEFINITIONS):
                names.add(each.name)
            elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                names.add(each.id)
            elif isinstance(each, ast.alias):
                names.add((each.asname or each.name).partition(".")[0])
    return frozenset(names)


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def _without_error(step: Step, end: End) -> Outcome:
    if step.raises is not None and _first_line(step.raises).startswith(("ImportError", "ModuleNotFoundError")):
        return _not_run(step, "it shows what is raised where a module is missing, and it is there")
    if step.raises is not None:
        reason = f"nothing is raised, and the document shows {_first_line(step.raises)}"
        return Outcome(outcome=DIFFERS, line=step.line, reason=reason)
    if not step.typed or agrees(step, end.printed) or _CHANGES.search(step.source):
        return Outcome(outcome=RAN, line=step.line)
    return Outcome(outcome=DIFFERS, line=step.line, reason=_difference(step.want, end.printed), printed=end.printed)


def _with_error(step: Step, error: Error, here: Here, text: str) -> Outcome:
    is_shown = step.raises is not None and _is_expected(step.raises, error)
    if is_shown or ("SystemExit" in error.kinds and error.number == 0):
        return Outcome(outcome=RAN, line=step.line, error=error.name)
    undecided = lacks(error, here) or _excuse(error, step, text)
    if undecided:
        return _not_run(step, undecided)
    if step.raises is not None:
        reason = f"{error.says()} is raised, and the document shows {_first_line(step.raises)}"
        return Outcome(outcome=DIFFERS, line=step.line, reason=reason, error=error.name)
    if _is_told(error, step, text):
        return Outcome(outcome=RAN, line=step.line, error=error.name)
    return Outcome(outcome=FAILED, line=error.line or step.line, reason=error.says(), error=error.name)


def _is_expected(raises: str, error: Error) -> bool:
    """Compare with the end of the traceback that the document shows.

    The message counts where somebody wrote it, as Python words its own otherwise from version to version; and it counts by
    its words, half of which are enough: documents cut messages short and put them in words of their own.
    """
    name, _, message = raises.partition(":")
    if name.strip().rpartition(".")[2] != error.name.rpartition(".")[2]:
        return False
    want, got = _WORD.findall(message), frozenset(_WORD.findall(error.message))
    return not error.stated or 2 * sum(word in got for word in want) >= len(want)


def _excuse(error: Error, step: Step, text: str) -> str:
    """Say what of a step itself, or of the text around it, makes a failure say nothing; empty where it says something."""
    if "argv" in step.source:
        return "it wants arguments on its command line"
    is_old = {"ImportError", "AttributeError"} & set(error.kinds) and _OTHER_VERSIONS.search(text)
    return f"the document speaks of another version there: {error.says()}" if is_old else ""


def _is_told(error: Error, step: Step, text: str) -> bool:
    """Tell whether the document says that this is raised: it names the class, or a comment says that something is wrong."""
    if re.search(rf"\b{re.escape(error.name.rpartition('.')[2])}\b", text):
        return True
    return any(_ON_PURPOSE.search(comment) for comment in re.findall(r"#.*", step.source))


def _rests_on(step: Step, here: Here) -> str | None:
    """Say what a step uses that another should have made that did not come to its end."""
    try:
        nodes = list(ast.walk(ast.parse(step.source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    used = {node.id for node in nodes if isinstance(node, ast.Name)} - made(step)
    name = min(used & set(here.unsure), default=None)
    return None if name is None else needs(name, here.unsure[name])


def _not_run(step: Step, reason: str) -> Outcome:
    return Outcome(outcome=NOT_RUN, line=step.line, reason=reason)


def _plain(text: str) -> str:
    return ADDRESS.sub("0x", text.replace("…", "...").replace("__main__.", ""))


def _difference(want: str, printed: str) -> str:
    """Return the first line that is another."""
    pairs = zip_longest(want.strip().splitlines(), ADDRESS.sub("0x…", printed.strip()).splitlines(), fillvalue="")
    shown, got = next(((a, b) for a, b in pairs if a.split() != b.split()), ("", ""))
    return f"{_quoted(got)} is printed, and the document shows {_quoted(shown)}"


def _quoted(line: str) -> str:
    return f"`{line.strip()[:_MAX_SHOWN]}`" if line.strip() else "nothing"


def _first_line(raises: str) -> str:
    return raises.partition("\n")[0].strip()[:_MAX_SHOWN]
