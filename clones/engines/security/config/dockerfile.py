"""Dockerfiles: instructions with their lines, and what is unsafe in them."""

import re
import shlex
from collections.abc import Iterator

import msgspec

from clones.engines.security.config.hit import Hit, is_credential

_INSTRUCTION = re.compile(r"\s*(?P<word>[A-Za-z]+)\s+(?P<rest>.*)", re.DOTALL)
_COMMENT = re.compile(r"\s*#")
_HEREDOC = re.compile(r"<<-?\s*(?P<quote>[\"']?)(?P<end>[A-Za-z_]\w*)(?P=quote)")
_FLAG = re.compile(r"--(?P<name>[a-z-]+)(?:=(?P<value>\S+))?\s+")
_MAX_CHARS = 20_000
"""Of one instruction; the patterns' time grows faster than its length."""
_PIPE = re.compile(
    r"\b(?:curl|wget)\b[^|;&]{0,300}?https?:[^|;&]{0,300}\|\s*(?:sudo\s+(?:-\w+\s+)*)?(?:/\S*/)?(?:ba|z|da|k|a)?sh\b"
)
_SHELL_OF = re.compile(r"\b(?:ba|z|da)?sh\s+(?:-c\s+)?[\"']?(?:\$\(|<\()\s*(?:curl|wget)\b")
_TLS_OFF = re.compile(
    r"\bcurl\b[^|;&]{0,300}?\s(?:--insecure|-[a-jl-zA-Z]*k[a-zA-Z]*)(?:\s|$)|\bwget\b[^|;&]{0,300}?\s--no-check-certificate\b"
    r"|http\.sslVerify[=\s]+[\"']?(?:false|0)\b|\bstrict-ssl[=\s]+false\b|--trusted-host\b|NODE_TLS_REJECT_UNAUTHORIZED=0"
)
_WRITABLE = re.compile(r"\bchmod\s+(?:-\w+\s+)*(?:0?777|a\+rwx|o\+w)\b")
_ROOT = re.compile(r"(?:root|0)(?::.*)?")
_PRIVATE = re.compile(r"(?:.*/)?(?:\.env|id_rsa|id_ed25519|id_ecdsa|\.npmrc|\.pypirc|\.netrc|\.git-credentials)")


class Instruction(msgspec.Struct, frozen=True):
    """One instruction, its continued lines joined."""

    word: str
    rest: str
    line: int


def instructions(text: str) -> list[Instruction]:
    """Split a Dockerfile; comments within continued lines are left out, here-documents are part of their instruction."""
    found: list[Instruction] = []
    parts: list[str] = []
    start = 0
    heredoc = ""
    for number, line in enumerate(text.splitlines(), 1):
        if heredoc:
            parts.append(line)
            if line.strip() == heredoc:
                heredoc = ""
        elif _COMMENT.match(line) or (parts and not line.strip()):
            continue
        else:
            start = start if parts else number
            opened = _HEREDOC.search(line)
            heredoc = opened["end"] if opened else ""
            parts.append(line.rstrip().removesuffix("\\"))
            if line.rstrip().endswith("\\"):
                continue
        if not heredoc and parts:
            found += _instruction(parts, start)
            parts = []
    return found + _instruction(parts, start)


def _instruction(parts: list[str], line: int) -> list[Instruction]:
    match = _INSTRUCTION.match("\n".join(parts))
    return [Instruction(match["word"].upper(), match["rest"].strip()[:_MAX_CHARS], line)] if match else []


def check(text: str) -> list[Hit]:
    """Return what is unsafe in a Dockerfile."""
    read = instructions(text)
    hits = [*_bases(read), *_user(read)]
    for each in read:
        match each.word:
            case "RUN":
                hits += _run(each)
            case "ADD" | "COPY":
                hits += _copied(each)
            case "ENV" | "ARG":
                hits += _named(each)
    return sorted(hits, key=lambda hit: (hit.line, hit.rule))


def is_unpinned(image: str) -> bool:
    """Whether an image's name leaves open which version it is."""
    if "$" in image or "@" in image or image == "scratch" or "{{" in image:
        return False
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return not colon or tag == "latest"


def _bases(read: list[Instruction]) -> Iterator[Hit]:
    stages: set[str] = set()
    for each in read:
        if each.word != "FROM":
            continue
        words = [word for word in each.rest.split() if not word.startswith("--")]
        if words and words[0].lower() not in stages and is_unpinned(words[0]):
            yield Hit(
                rule="docker/unpinned-image", line=each.line, message=f"the image {words[0]} has no fixed version"
            )
        if len(words) >= 3 and words[1].upper() == "AS":
            stages.add(words[2].lower())


def _user(read: list[Instruction]) -> Iterator[Hit]:
    """Judge the last stage, which is what runs; where it goes on from another one, that one's user stands."""
    starts = [at for at, each in enumerate(read) if each.word == "FROM"]
    if not starts:
        return
    users = [each for each in read[starts[-1] :] if each.word == "USER"]
    if users and _ROOT.fullmatch(users[-1].rest):
        yield Hit(
            rule="docker/root-user", line=users[-1].line, message="the last USER is root, so the container runs as root"
        )
    elif not users and len(starts) == 1 and not read[starts[0]].rest.split(":")[-1].endswith("nonroot"):
        line = read[starts[0]].line
        yield Hit(
            rule="docker/no-user",
            line=line,
            message="no USER is named, so the container runs as root unless its base says otherwise",
        )


def _run(each: Instruction) -> Iterator[Hit]:
    if _PIPE.search(each.rest) or _SHELL_OF.search(each.rest):
        yield Hit(
            rule="docker/curl-pipe-shell",
            line=_line(each, "curl", "wget"),
            message="a script is run as it comes from the network, unseen and unchecked",
        )
    if off := _TLS_OFF.search(each.rest):
        line = each.line + each.rest[: off.end()].count("\n")
        yield Hit(rule="docker/tls-off", line=line, message="a download does not check whom it talks to")
    if wide := _WRITABLE.search(each.rest):
        line = each.line + each.rest[: wide.start()].count("\n")
        yield Hit(rule="docker/world-writable", line=line, message="everybody in the container may change these files")


def _copied(each: Instruction) -> Iterator[Hit]:
    rest = each.rest
    flags = {}
    while flag := _FLAG.match(rest):
        flags[flag["name"]] = flag["value"]
        rest = rest[flag.end() :]
    sources = _words(rest)[:-1]
    for source in sources:
        if (
            each.word == "ADD"
            and re.match(r"https?://", source)
            and "checksum" not in flags
            and not source.endswith(".git")
        ):
            yield Hit(
                rule="docker/add-url", line=each.line, message=f"{source} is taken as it comes, without a checksum"
            )
        if "from" not in flags and _PRIVATE.fullmatch(source):
            yield Hit(rule="docker/private-file", line=each.line, message=f"{source} becomes part of the image")


def _named(each: Instruction) -> Iterator[Hit]:
    words = _words(each.rest)
    if each.word == "ENV" and words and "=" not in words[0]:
        pairs = [(words[0], " ".join(words[1:]))]  # the old form: ENV NAME the value
    else:
        pairs = [(name, value) for name, equals, value in (word.partition("=") for word in words) if equals]
    for name, value in pairs:
        if is_credential(name, value):
            yield Hit(
                rule="docker/credential",
                line=_line(each, name),
                message=f"{name} is given its value here, and everybody who has the image can read it",
                secret=value.strip("\"'"),
            )


def _words(text: str) -> list[str]:
    if text.startswith("["):
        text = text.strip("[]").replace(",", " ")
    try:
        return shlex.split(text, posix=True)
    except ValueError:
        return text.split()


def _line(each: Instruction, *texts: str) -> int:
    """Return the line of an instruction that a text stands on."""
    lines = each.rest.split("\n")
    return each.line + next((at for at, line in enumerate(lines) if any(text in line for text in texts)), 0)
