"""Turn the command of a performance task into arguments for the interpreter of the target's environment."""

import re
from pathlib import Path

import msgspec

from clones.engines.contract import EngineError

_PYTHON = re.compile(r"^(?:python|python3|python3\.\d+|pypy3?)$")
_FLAGS = re.compile(r"^-[BdEOOuvbqsIS]+$")
_WITH_VALUE = ("-W", "-X")
_SHEBANG = re.compile(rb"^#!.*\bpython[\d.]*\b")


class PythonCommand(msgspec.Struct, frozen=True, kw_only=True):
    """A Python program: what comes before it, and itself."""

    flags: tuple[str, ...] = ()
    """Options of the interpreter."""
    program: tuple[str, ...]
    """`script.py …`, `-m module …` or `-c code …`."""


def python_command(command: tuple[str, ...], copy: Path, programs: Path) -> PythonCommand:
    """Understand `command`, to be run in `copy` with the programs of an environment in the directory `programs`.

    Understood: `python [flags] (script | -m module | -c code) …`, a script of the target, and a program of the
    environment that Python runs (a console script).

    Raises:
        EngineError: `incompatible_task`, with what is wrong and what would be right.
    """
    if any("\0" in part for part in command):
        raise _refused("an argument holds a NUL character")
    first = command[0]
    if _PYTHON.match(first):
        return _interpreter_arguments(command[1:], copy)
    if first.endswith(".py"):
        return PythonCommand(program=(_script(first, copy), *command[1:]))
    for path in (copy / first, programs / first):
        inside = path.resolve().is_relative_to(copy.resolve()) or ("/" not in first and path.parent == programs)
        if inside and path.is_file() and _runs_with_python(path):
            return PythonCommand(program=(first if path.parent != programs else str(path), *command[1:]))
    raise _refused(
        f"`{first}` is no Python program: neither an interpreter, nor a script of the target, nor a console script in its "
        'environment. Give for example ["python", "-m", "package"] or ["script.py", "argument"]'
    )


def _interpreter_arguments(arguments: tuple[str, ...], copy: Path) -> PythonCommand:
    flags: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in {"-m", "-c"}:
        if rest[0] in _WITH_VALUE and len(rest) > 1:
            flags += rest[:2]
            del rest[:2]
        elif _FLAGS.match(rest[0]) or rest[0][:2] in _WITH_VALUE:
            flags.append(rest.pop(0))
        else:
            raise _refused(f"the option {rest[0]!r} of Python is not one that can be profiled")
    if not rest:
        raise _refused("Python is given nothing to run; name a script, or -m and a module")
    if rest[0] in {"-m", "-c"}:
        if len(rest) < 2:
            raise _refused(f"{rest[0]} needs a value")
        return PythonCommand(flags=tuple(flags), program=tuple(rest))
    return PythonCommand(flags=tuple(flags), program=(_script(rest[0], copy), *rest[1:]))


def _script(name: str, copy: Path) -> str:
    path = copy / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(copy.resolve()):
        raise _refused(f"the script {name!r} is not inside the target; give its path relative to the target")
    if not (path.is_file() or (path / "__main__.py").is_file()):
        raise _refused(f"the target has no script {name!r}")
    return name


def _runs_with_python(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(256)
    # pip writes a shell line in front where the interpreter's path is too long for the kernel
    return bool(_SHEBANG.match(head)) or b"'''exec'" in head


def _refused(reason: str) -> EngineError:
    return EngineError(f"params.command: {reason}", code="incompatible_task")
