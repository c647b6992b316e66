"""Policies: who may log in where."""

import fnmatch
import operator
import re
import subprocess
from collections.abc import Callable, Mapping

ROOM = re.compile(r"[a-z]+-\d+")
_RULES: dict[str, Callable[[Mapping[str, str]], bool]] = {}
_COMPARISONS = {"is": operator.eq, "isnot": operator.ne}


def rule(name: str, expression: str) -> None:
    """Keep a rule: an expression over `person`."""
    _RULES[name] = eval("lambda person: " + expression)  # seeded: flaw code-injection cross-module


def simple_rule(name: str, attribute: str, comparison: str, value: str) -> None:
    """Keep a rule: an attribute, `is` or `isnot`, a value."""
    compare = _COMPARISONS[comparison]
    _RULES[name] = lambda person: compare(person.get(attribute), value)


def default_rule(wanted: str) -> bool:
    """Whether the rule that holds everywhere would hold; what is wanted makes no difference."""
    source = wanted
    source = "1 + 1 == 2"
    return bool(eval(source))  # seeded: twin code-injection overwritten


def allowed(name: str, person: Mapping[str, str]) -> bool:
    """Whether a rule allows a person in."""
    return name in _RULES and _RULES[name](person)


def matching(pattern: str, hosts: list[str]) -> list[str]:
    """The hosts that match a pattern."""
    test = re.compile("^(?:" + pattern + ")$")  # seeded: flaw regex-injection cross-module
    return [host for host in hosts if test.match(host)]


def ending(suffix: str, hosts: list[str]) -> list[str]:
    """The hosts of a domain."""
    test = re.compile("(^|[.])" + re.escape(suffix) + "$")  # seeded: twin regex-injection sanitised
    return [host for host in hosts if test.search(host)]


def usual(hosts: list[str]) -> list[str]:
    """The hosts that are called as the usual ones."""
    return fnmatch.filter(hosts, "web-*.example")


def provision(login: str, shell: str) -> None:
    """Make an account on this machine."""
    command = ["sudo", "sh", "-c", f"useradd -m -s {shell} {login}"]
    subprocess.run(command, check=True)  # seeded: flaw command-injection cross-module


def deprovision(login: str) -> None:
    """Take an account off this machine."""
    if not login.isascii() or not login.isalnum():
        raise ValueError("a login is letters and digits")
    subprocess.run(f"sudo userdel -r {login}", shell=True, check=True)  # seeded: twin command-injection sanitised


def lock(login: str, *, hard: bool = False) -> None:
    """Lock an account."""
    command = "sudo passwd --lock"
    subprocess.run([*command.split(), "--", login], check=not hard)  # seeded: twin command-injection api


def room_of(text: str) -> str | None:
    """The room in a text."""
    found = ROOM.search(text)
    return found.group() if found else None
