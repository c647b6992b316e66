"""Runs the steps of a document one after another, as a reader would, and writes what comes of each to its standard output.

A program for the target's interpreter, standard library only. On standard input, one JSON object::

    {"file": "README.md", "limit_s": 10, "processes": 32, "groups": [{"module": null, "steps":
        [{"number": 0, "source": "x = 1", "line": 12, "typed": false, "again": false}]}]}

Each group has a namespace, which begins as that of `module` where there is one. A step that is `typed` is one at a prompt. On
standard output, one JSON object a line; what the steps themselves write goes nowhere, but into `printed` for those that are
typed. Of a step that is run `again` nothing is written but its beginning, and a module is imported before its first::

    {"event": "import"}
    {"event": "begin", "number": 0}
    {"event": "end", "number": 0, "late": false, "printed": "1", "error": null}
    {"event": "finish"}

`error` is that of the step, or of the module's import: {"name": "ValueError", "kinds": [its classes], "message", "line": of the
document or null, "direct": whether it was raised by the document's own code, "stated": whether by a `raise`, "where": the file
that raised it, "chain": [what came before], "missing": the name or module that is not there, "near": a name like it, "path",
"number", "reached": whether a connection was tried, "started": whether a program was}.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import builtins
import importlib
import io
import linecache
import os
import signal
import sys
import types
from difflib import get_close_matches
from json import dumps, load
from os import _exit, getpid
from typing import Any

# functions are imported by name: a step may replace them where they are
_MAX_PRINTED = 20_000
_MAX_MESSAGE = 4000
_MAX_CHAIN = 6
_NEAR = 0.8
_NEAR_CHARS = 4
"""A shorter name is like too many."""
_ROOT = os.path.join(os.getcwd(), "")  # noqa: PTH109, PTH118 -- nothing but text
"""Of the copy that this runs in; it is no matter of the document's."""
_AWAIT = getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0)
_COROUTINE = 0x80  # inspect.CO_COROUTINE


class _TimeUp(KeyboardInterrupt):
    """A step has used up its time; servers and loops end at a KeyboardInterrupt, and at nothing else."""


class _Printed(io.RawIOBase):
    """Keeps the first bytes that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = bytearray()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any) -> int:
        room = 4 * _MAX_PRINTED - len(self.kept)
        if room > 0:
            self.kept += bytes(data[:room])
        return len(data)


class _Runner:
    def __init__(self, asked: dict[str, Any], record: int) -> None:
        self._name = f"<{asked['file']}>"
        self._file = asked["file"]
        self._limit_s = asked["limit_s"]
        self._processes = asked["processes"]
        self._groups = asked["groups"]
        self._record = record
        self._pid = getpid()
        # the last: all that this user may signal
        self._not_killed = (os.getppid(), 1, -1)
        self._forks = 0
        self._late = False
        self._reached = self._started = False
        self._flags = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unimported: dict[str, dict[str, Any]] = {}

    def run(self) -> None:
        signal.signal(signal.SIGALRM, self._on_alarm)
        sys.addaudithook(self._on_event)
        os.register_at_fork(after_in_child=self._is_child)
        for group in self._groups:
            self._run_group(group)
        self._write(event="finish")

    def _run_group(self, group: dict[str, Any]) -> None:
        unimported: dict[str, Any] | None = None
        namespace = types.ModuleType("__main__")
        if group["module"] is None:
            # as of a script: what is defined there is found again by dataclasses, pickle and the like
            sys.modules["__main__"] = namespace
        self._flags = 0
        self._show(group["steps"])
        if group["module"] is not None:
            unimported = self._import(group["module"], namespace)
        for step in group["steps"]:
            self._write(event="begin", number=step["number"])
            told = unimported or self._step(step, vars(namespace))
            if getpid() != self._pid:
                _exit(0)  # what a step forked and let return
            if not step["again"]:
                self._write(event="end", number=step["number"], **told)

    def _import(self, name: str, namespace: types.ModuleType) -> dict[str, Any] | None:
        """Give a namespace the names of a module; returns how its steps end where it cannot be imported."""
        self._write(event="import")
        if name in self._unimported:  # it may take as long each time
            return self._unimported[name]
        self._late = self._reached = self._started = False
        self._start_clock()
        try:
            module = importlib.import_module(name)
            vars(namespace).update(vars(module))
        except BaseException as error:  # noqa: BLE001 -- it is told, whatever it is
            self._stop_clock()
            told = self._explained(error, {}, stated=False)
            self._unimported[name] = {"late": self._late, "printed": "", "error": told}
            return self._unimported[name]
        self._stop_clock()
        return None

    def _step(self, step: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
        printed = _Printed()
        text = io.TextIOWrapper(
            io.BufferedWriter(printed, 1), encoding="utf-8", errors="replace", newline="\n", write_through=True
        )
        sys.stdout, sys.displayhook = text, sys.__displayhook__
        error = None
        self._late = self._reached = self._started = False
        self._start_clock()
        try:
            self._execute(step, namespace)
        except BaseException as raised:  # noqa: BLE001 -- it is told, whatever it is
            self._stop_clock()
            error = raised
        self._stop_clock()
        sys.stdout = text  # pytest's and others' capturing may have left another
        told = None if error is None else self._explained(error, namespace)
        shown = _without_root(bytes(printed.kept).decode("utf-8", "replace"))[:_MAX_PRINTED] if step["typed"] else ""
        return {"late": self._late, "printed": shown, "error": told}

    def _execute(self, step: dict[str, Any], namespace: dict[str, Any]) -> None:
        # with as many lines in front as there are in the document, its lines are the document's
        source = "\n" * (step["line"] - 1) + step["source"]
        if step["typed"]:
            parsed = compile(source, self._name, "exec", self._flags | _AWAIT | ast.PyCF_ONLY_AST, True)
            for node in parsed.body:
                self._run_code(ast.Interactive(body=[node]), "single", namespace)
        else:
            self._run_code(source, "exec", namespace)
        for name in __future__.all_feature_names:
            feature = getattr(__future__, name)
            if namespace.get(name) is feature:
                self._flags |= getattr(feature, "compiler_flag", 0)

    def _run_code(self, source: Any, mode: str, namespace: dict[str, Any]) -> None:
        code = compile(source, self._name, mode, self._flags | _AWAIT, True)
        if code.co_flags & _COROUTINE:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(eval(code, namespace))  # noqa: S307 -- running it is what is asked for
        else:
            exec(code, namespace)  # noqa: S102 -- running it is what is asked for

    def _show(self, steps: list[dict[str, Any]]) -> None:
        """Let `inspect` find the source of what the steps define."""
        lines: list[str] = []
        for step in steps:
            lines += ["\n"] * (step["line"] - 1 - len(lines))
            lines[step["line"] - 1 :] = [line + "\n" for line in step["source"].split("\n")]
        linecache.cache[self._name] = (sum(map(len, lines)), None, lines, self._name)

    def _explained(self, error: BaseException, namespace: dict[str, Any], stated: bool = True) -> dict[str, Any]:
        line, direct, where, function, number = None, False, "", "", 0
        trace = error.__traceback__
        while trace is not None:
            where, number = trace.tb_frame.f_code.co_filename, trace.tb_lineno
            function = trace.tb_frame.f_code.co_name
            direct = where == self._name
            line = number if direct else line
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and error.filename == self._name:
            line, direct = error.lineno, True
        raised = linecache.getline(where, number).strip().startswith("raise ") if where and stated else False
        name = getattr(error, "name", None)
        if isinstance(error, NameError) and not isinstance(name, str):
            parts = _said(error).split("'")
            name = parts[1] if len(parts) > 1 else None
        path = getattr(error, "filename", None) if isinstance(error, OSError) else None
        number_of = getattr(error, "errno", None) if isinstance(error, OSError) else None
        if isinstance(error, SystemExit):
            number_of = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        return {
            "name": _full_name(type(error)),
            "reached": self._reached,
            "started": self._started,
            "kinds": [kind.__name__ for kind in type(error).__mro__],
            "message": _said(error),
            "line": line,
            "direct": direct,
            "stated": raised,
            "where": where[-300:] + ":" + function[:100],
            "chain": _chain(error),
            "missing": name if isinstance(name, str) else None,
            "near": self._near(name, namespace) if isinstance(error, NameError) and isinstance(name, str) else None,
            "path": os.fsdecode(path)[:300] if isinstance(path, (str, bytes)) else None,
            "number": number_of if isinstance(number_of, int) else None,
        }

    def _near(self, name: str, namespace: dict[str, Any]) -> str | None:
        if len(name) < _NEAR_CHARS:
            return None
        known = sorted(str(each) for each in [*namespace, *vars(builtins)] if not str(each).startswith("_"))
        close = get_close_matches(name, known, 3, _NEAR)
        return next((each for each in close if not (name.startswith(each) or each.startswith(name))), None)

    def _start_clock(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, self._limit_s, 1.0)

    def _stop_clock(self) -> None:
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0)
                return
            except _TimeUp:
                continue

    def _on_alarm(self, *_: Any) -> None:
        if getpid() == self._pid:
            self._late = True
            raise _TimeUp

    def _on_event(self, event: str, arguments: Any) -> None:
        if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
            self._reached = True
        elif event in ("subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.startfile"):
            self._started = True
        elif event == "os.kill" and arguments[0] in self._not_killed:
            raise PermissionError(1, "what looks after this process is not to be killed")
        elif event in ("os.fork", "os.forkpty"):
            self._forks += 1
            if self._forks > self._processes:
                raise BlockingIOError(11, "too many processes")

    def _is_child(self) -> None:
        self._forks = self._processes  # a child starts none of its own

    def _write(self, **fields: Any) -> None:
        if getpid() == self._pid:
            line = (dumps(fields, ensure_ascii=False) + "\n").encode("utf-8", "replace")
            while line:
                line = line[os.write(self._record, line) :]


def _chain(error: BaseException) -> list[str]:
    found: list[str] = []
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen and len(found) < _MAX_CHAIN:
        seen.add(id(each))
        kinds = " ".join(kind.__name__ for kind in type(each).__mro__)
        found.append(f"{kinds}: {_said(each)}")
        # an error may hold another as its cause, as its context, or, by an old habit, as an argument
        inner = next((item for item in each.args if isinstance(item, BaseException)), None)
        inner = inner or getattr(each, "reason", None)
        each = each.__cause__ or each.__context__ or (inner if isinstance(inner, BaseException) else None)
    return found


def _full_name(kind: type) -> str:
    return (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )


def _said(error: BaseException) -> str:
    try:
        return _without_root(str(error))[:_MAX_MESSAGE]
    except Exception:  # noqa: BLE001 -- the error's own code runs here
        return ""


def _without_root(text: str) -> str:
    return text.replace(_ROOT, "")


def main() -> None:
    """Run what standard input asks for, and leave."""
    asked = load(sys.stdin)
    record = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    sys.stdin = io.TextIOWrapper(io.BytesIO())
    sys.argv = [asked["file"]]
    sys.path[0] = ""
    _Runner(asked, record).run()
    _exit(0)  # whatever threads there are


if __name__ == "__main__":
    main()
