"""The scanner of configuration: which file is of which kind, and what the rules say of it."""

import math
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path, PurePosixPath

import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.security.ci_scan import is_ci_file
from clones.engines.security.config import compose, dockerfile, kubernetes, plain_files, python_settings
from clones.engines.security.config.hit import FileError, Hit
from clones.engines.security.reported import OUT_OF_TIME, Reported, Scan
from clones.engines.security.rules import Rule
from clones.engines.security.scope import Scope

NAME = "config"
_MAX_BYTES = 1024 * 1024
_DOCKERFILE = re.compile(
    r"(?!.*\.(?:md|rst|txt|html|py|sh|js|json|ya?ml)$)(?:.*\.(?:docker|container)file|(?:docker|container)file(?:[._-].+)?)",
    re.IGNORECASE,
)
_COMPOSE = re.compile(r"(?:docker-)?compose(?:[._-].*)?\.ya?ml", re.IGNORECASE)
_NGINX = re.compile(r".*nginx.*\.conf(?:\.\w+)?|.*\.nginx", re.IGNORECASE)
_BY_NAME: dict[str, Callable[[str], list[Hit]]] = {
    ".npmrc": plain_files.npmrc,
    ".pypirc": plain_files.pypirc,
    "pip.conf": plain_files.pip_conf,
    "pip.ini": plain_files.pip_conf,
}

Check = Callable[[str], list[Hit]]


def check_of(name: str, text: str) -> Check | None:
    """Return what judges a file of this name and text; None for files that nothing here judges."""
    path = PurePosixPath(name)
    if path.suffix == ".py":
        return python_settings.check if python_settings.may_be_settings(name, text) else None
    if _DOCKERFILE.fullmatch(path.name):
        return dockerfile.check
    if _COMPOSE.fullmatch(path.name):
        return compose.check
    if _NGINX.fullmatch(path.name) or (path.suffix == ".conf" and "server {" in text and "location" in text):
        return plain_files.nginx
    if path.suffix in {".yml", ".yaml"} and kubernetes.is_manifest(text) and not is_ci_file(name):
        return kubernetes.check
    return _BY_NAME.get(path.name)


def is_wanted(name: str) -> bool:
    """Whether a file is worth reading, told by its name."""
    path = PurePosixPath(name)
    return path.suffix in {".py", ".yml", ".yaml", ".conf"} or check_of(name, "") is not None


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Judge the files of `scope` that stand in `copy`."""
    begin = time.monotonic()
    known = msgspec.toml.decode((files(__package__) / "rules.toml").read_bytes(), type=dict[str, Rule])
    results: list[Reported] = []
    unread: dict[str, str] = {}
    templates = read = 0
    wanted = [name for name in scope.files if is_wanted(name)]
    for done, name in enumerate(wanted):
        progress(done / len(wanted))
        if time.monotonic() > deadline:
            unread |= dict.fromkeys(wanted[done:], OUT_OF_TIME)
            break
        if (copy / name).stat().st_size > _MAX_BYTES:
            continue  # whatever it is, nobody has written it as settings
        text = (copy / name).read_bytes().decode("utf-8", errors="replace").removeprefix("\ufeff")
        check = check_of(name, text)
        if check is None:
            continue
        try:
            results += [_reported(name, hit, known[hit.rule]) for hit in check(text)]
            read += 1
        except FileError as error:
            if "{{" in text:
                templates += 1
            elif not name.endswith(".py"):  # the scanners of Python code say of those what is wrong
                unread[name] = str(error)
    reason = f"{templates} are templates, and no YAML before they are filled in"
    return Scan(
        name=NAME,
        version=version("sanctuary-bus"),
        command=(),
        results=tuple(results),
        files_analysed=read,
        duration_s=time.monotonic() - begin,
        unread=unread,
        left_out=(NotAnalysed(subject="configuration files", reason=reason),) if templates else (),
        is_part=OUT_OF_TIME in unread.values(),
    )


def _reported(name: str, hit: Hit, rule: Rule) -> Reported:
    return Reported(
        engine=NAME,
        rule=hit.rule,
        path=name,
        line=hit.line,
        end_line=hit.line,
        message=hit.message,
        severity=rule.severity,
        confidence=rule.confidence,
        secret=hit.secret,
        cwe=rule.cwe,
        title=rule.title,
        check=rule.check,
    )
