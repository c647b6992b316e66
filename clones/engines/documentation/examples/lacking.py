"""What a run lacked that a reader of the document may have: then its failure says nothing of the document."""

import errno
import posixpath
import re
from collections.abc import Callable, Mapping

import msgspec

from clones.engines.documentation.examples.ends import Error
from clones.engines.running.offline import wants_network

_NETWORK_KINDS = frozenset({"gaierror", "ConnectionError", "ConnectTimeout", "ConnectError", "URLError"})
_NETWORK_NUMBERS = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.EADDRNOTAVAIL})
_NO_TERMINAL = frozenset({errno.ENOTTY, errno.ENXIO})
_FULL = frozenset({errno.EFBIG, errno.ENOSPC, errno.EDQUOT})
_ASKS = frozenset({"EOFError", "BdbQuit", "GetPassWarning"})
_NO_ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
_ENDS = {
    "SystemExit": "it ended the program with an error's status, as programs do that want arguments",
    "KeyboardInterrupt": "it interrupted itself",
    "MemoryError": "it wants more memory than it is given",
    "BlockingIOError": "it started more processes than it may, or would have waited",
}


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """What there is where a step runs."""

    own: frozenset[str]
    """The project's modules, by their dotted names."""
    has: Callable[[str], bool]
    """Whether the target has something at a relative path."""
    unsure: Mapping[str, int]
    """Names that steps should have made that did not come to their end, with the lines of those."""


def lacks(error: Error, here: Here) -> str:
    """Say what was lacking; empty where nothing was."""
    return next(filter(None, (check(error, here) for check in _CHECKS)), "")


def needs(name: str, line: int) -> str:
    """Say that a name was to come from a line that did not run."""
    return f"it needs `{name}`, which line {line} makes, and that did not run"


def _network(error: Error, _here: Here) -> str:
    is_network = error.reached
    is_network |= "OSError" in error.kinds and error.number in _NETWORK_NUMBERS
    for each in error.chain:
        kinds, _, message = each.partition(": ")
        is_network |= bool(_NETWORK_KINDS & set(kinds.split())) or wants_network(message)
    return "it wants the network, or a service that is not here" if is_network else ""


def _module(error: Error, here: Here) -> str:
    if "ImportError" not in error.kinds:
        return ""
    name = error.missing or ""
    if name.partition(".")[0] in here.own:
        return "" if error.direct else f"the project cannot be imported here: {error.says()}"
    is_missing = error.message.startswith("No module")
    return f"the module `{name}` is not installed" if is_missing else f"a module lacks something: {error.says()}"


def _attribute(error: Error, here: Here) -> str:
    found = _NO_ATTRIBUTE.fullmatch(error.message) if "AttributeError" in error.kinds else None
    if found is None:
        return ""
    module, name = found.groups()
    if module.partition(".")[0] not in here.own:
        return f"the module `{module}` has no `{name}` here"
    whole = f"{module}.{name}"
    return f"it takes the import of `{whole}` for granted" if whole in here.own else ""


def _name(error: Error, here: Here) -> str:
    if "NameError" not in error.kinds or "UnboundLocalError" in error.kinds or not error.direct or not error.missing:
        return ""
    if error.missing in here.unsure:
        return needs(error.missing, here.unsure[error.missing])
    return "" if error.near else f"it takes `{error.missing}` for granted, which nothing before it makes"


def _context(error: Error, _: Here) -> str:
    is_fragment = "SyntaxError" in error.kinds and error.direct
    return f"it does not stand by itself: {error.message.partition(' (')[0]}" if is_fragment else ""


def _end(error: Error, _: Here) -> str:
    return next((reason for kind, reason in _ENDS.items() if kind in error.kinds), "")


def _person(error: Error, _: Here) -> str:
    asks = _ASKS.intersection(error.kinds) or ("OSError" in error.kinds and error.number in _NO_TERMINAL)
    asks = asks or "Inappropriate ioctl" in error.message
    return "it wants an answer from somebody at a terminal" if asks else ""


def _program(error: Error, _: Here) -> str:
    return f"it leaves something to another program: {error.says()}" if error.started else ""


def _variable(error: Error, _: Here) -> str:
    is_variable = "KeyError" in error.kinds and error.where.endswith(("os.py:__getitem__", "<frozen os>:__getitem__"))
    return f"it wants the environment variable {error.message}" if is_variable else ""


def _file(error: Error, here: Here) -> str:
    if "OSError" not in error.kinds:
        return ""
    if error.number in _FULL:
        return "it wrote more than it may"
    if "PermissionError" in error.kinds:
        return f"it is not allowed to do something: {error.says()}"
    if "FileNotFoundError" not in error.kinds or error.path is None:
        return ""
    head, slash, _ = posixpath.normpath(error.path).partition("/")
    # a directory that is not there is one of the reader's own, and so is a file at the top
    return (
        ""
        if slash and head not in {"", ".."} and here.has(head)
        else f"it wants the file {error.path}, which is the reader's"
    )


_CHECKS = (_network, _module, _attribute, _name, _context, _end, _person, _program, _variable, _file)
