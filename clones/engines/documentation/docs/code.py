"""Blocks of code in documents that do not parse.

What is left out on purpose is no fault: a block with an ellipsis, a placeholder or a template in it, a signature without
its body, and a piece that begins in the middle are not looked at.
"""

import ast
import json
import re
import shutil
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from textwrap import dedent

import yaml

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.docs.text import Block, Read

MAX_BLOCK_CHARS = 50_000
MAX_SHELL_BLOCKS = 200
_SHELL_S = 10.0
SHELLS = frozenset({"sh", "bash", "shell"})
_PARTIAL = re.compile(r"\.\.\.|…|\{\{|\{%|<[A-Za-z][\w .:|/-]*>|^\s*\$ |^[+-] ?\S.*\n[+-]", re.MULTILINE)
_INTERACTIVE = re.compile(r"^\s*(In \[\d+\]:|[!%][\w!]|\$ |>>> )", re.MULTILINE)


def unparsable(target: Path, documents: Mapping[str, Read]) -> Iterator[Finding]:
    """Yield the blocks of `documents` that their own language's parser refuses; of shell the first `MAX_SHELL_BLOCKS`."""
    shells = 0
    for file, document in documents.items():
        for block in document.blocks:
            if len(block.code) > MAX_BLOCK_CHARS:
                continue
            if block.language in SHELLS:
                shells += 1
                problem = _shell(target, block) if shells <= MAX_SHELL_BLOCKS else None
            else:
                parse = _PARSERS.get(block.language)
                problem = parse(block.code) if parse else None
            if problem is not None:
                words, below = problem
                # some parsers name the line behind the last
                offset = min(below, block.code.rstrip("\n").count("\n"))
                message = f"a block of {block.language} does not parse: {words}"
                yield Finding(file=file, line=block.line + offset, rule="code-block", message=message)


Problem = tuple[str, int]
"""What the parser says, and how many lines below the block's first."""


def _python(code: str) -> Problem | None:
    source = dedent(code)
    if ">>>" in source:
        return next(filter(None, (_refused(words, at) for at, words in _statements(source.splitlines()))), None)
    return None if _INTERACTIVE.search(source) else _refused(source, 0)


def _prompted(code: str) -> Problem | None:
    # without a prompt it is what Python printed
    return _python(code) if ">>>" in code else None


def _statements(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield what is typed at prompts, each with its line: some authors leave the dots of continuation lines away."""
    starts = [at for at, line in enumerate(lines) if line.startswith(">>>")]
    for at, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        dotted = [at, *takewhile(lambda number: lines[number].startswith("..."), range(at + 1, end))]
        typed = "\n".join(lines[number][3:].removeprefix(" ") for number in dotted)
        if typed.startswith("@"):
            continue  # what it decorates stands at a prompt of its own
        whole = "\n".join([typed, *lines[dotted[-1] + 1 : end]])
        longer = (whole.rsplit("\n", cut)[0] for cut in range(whole.count("\n")))
        if not any(_refused(each, 0) is None for each in (typed, *longer)):
            yield at, typed


def _refused(source: str, first: int) -> Problem | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "block", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (ValueError, RecursionError, MemoryError):
        return None
    except SyntaxError as error:
        # what may stand in an f-string depends on Python's version
        fragment = isinstance(error, IndentationError) or _PARTIAL.search(source) or "f-string" in error.msg
        return None if fragment else (error.msg, first + (error.lineno or 1) - 1)
    return None


def _json(code: str) -> Problem | None:
    try:
        json.loads(code)
    except RecursionError:
        return None
    except json.JSONDecodeError as error:
        if _PARTIAL.search(code) or re.search(r"(^|\s)(//|#|/\*)", code) or _all_lines(code):
            return None
        # a member alone, as `"key": value`
        return None if code.lstrip()[:1] not in "{[" else (error.msg, error.lineno - 1)
    return None


def _all_lines(code: str) -> bool:
    """Tell whether every line is JSON of its own."""
    try:
        for line in filter(str.strip, code.splitlines()):
            json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return False
    return True


def _toml(code: str) -> Problem | None:
    try:
        tomllib.loads(dedent(code))
    except (ValueError, RecursionError) as error:
        return None if _PARTIAL.search(code) or isinstance(error, RecursionError) else (str(error), 0)
    return None


def _yaml(code: str) -> Problem | None:
    try:
        # composing makes neither objects nor copies of what aliases name
        for _ in yaml.compose_all(dedent(code), Loader=yaml.SafeLoader):
            pass
    except RecursionError:
        return None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        words = getattr(error, "problem", None) or "it is no YAML"
        return None if _PARTIAL.search(code) else (str(words), mark.line if mark is not None else 0)
    return None


_PARSERS: Mapping[str, Callable[[str], Problem | None]] = {
    **dict.fromkeys(("python", "py", "python3"), _python),
    "pycon": _prompted,
    "json": _json,
    "toml": _toml,
    "yaml": _yaml,
    "yml": _yaml,
}


def _shell(target: Path, block: Block) -> Problem | None:
    """Say what bash makes of a block, which is read and not run; nothing where there is no bash."""
    bash = shutil.which("bash")
    if bash is None or _PARTIAL.search(block.code) or re.search(r"^\s*[$#>%] ", block.code, re.MULTILINE):
        return None
    try:
        done = process.run(
            [bash, "--norc", "--noprofile", "-n"], cwd=target, timeout_s=_SHELL_S, stdin=dedent(block.code).encode()
        )
    except EngineError:
        return None
    if done.exit_status == 0:
        return None
    told = done.stderr.decode(errors="replace").splitlines()
    match = re.match(r".*?: line (\d+): (.*)", told[0]) if told else None
    return (match[2], int(match[1]) - 1) if match else ("bash refuses it", 0)
