"""Go's modules."""

import re

from clones.engines.security.osv.pin import Pin, PinnedFile

_REQUIRED = re.compile(r"(?:require\s+)?\"?([^\s\"()]+)\"?\s+\"?(v\d[^\s\"]*)\"?")
_REPLACED = re.compile(
    r"(?:replace\s+)?\"?([^\s\"()]+)\"?(?:\s+(v\S+))?\s+=>\s+\"?([^\s\"()]+)\"?(?:\s+\"?(v\d[^\s\"]*)\"?)?"
)
_BLOCK = re.compile(r"(\w+)\s*\(")


def go_mod(text: str) -> PinnedFile:
    """Read `go.mod`: what it requires, the modules that stand for others in their place (`replace`)."""
    required: list[Pin] = []
    replaced: dict[tuple[str, str | None], Pin | None] = {}
    block = ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.partition("//")[0].strip()
        if opening := _BLOCK.fullmatch(line):
            block = opening[1]
        elif line == ")":
            block = ""
        elif block == "replace" or line.startswith("replace "):
            if match := _REPLACED.fullmatch(line):
                name, version, other, at = match.groups()
                replaced[name, version] = Pin(other, at, number) if at else None  # a directory: the target's own code
        elif (block == "require" or line.startswith("require ")) and (match := _REQUIRED.fullmatch(line)):
            required.append(Pin(match[1], match[2], number))
    pins = [replaced.get((pin.name, pin.version), replaced.get((pin.name, None), pin)) for pin in required]
    return PinnedFile(tuple(pin for pin in pins if pin is not None))
