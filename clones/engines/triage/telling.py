"""What triage found, as JSON values, each statement with its check."""

import shlex
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from clones.engines.git import Since
from clones.engines.running.by_hand import command_line, pytest_line
from clones.engines.statements import Lines, Statement, quoted
from clones.engines.triage.bisecting import Bisected, Commit, commits, plain
from clones.engines.triage.frames import frames
from clones.engines.triage.reproducing import Reproduced

_TRIES = 30


def subject(
    found: Reproduced, copy: Path, command: Sequence[str], known: Container[str], lines: Lines
) -> dict[str, Any]:
    """Return one failure that was looked into."""
    said = found.failure.said if found.failure else ""
    way = frames(said, str(copy), known)
    place = way[-1] if way else None
    return {
        "test": found.test,
        "command": list(command),
        "verdict": found.verdict,
        "runs": found.runs,
        "failed": len(found.failed_seeds),
        "failed_seeds": list(found.failed_seeds),
        "polluters": list(found.polluters),
        "narrowed": found.narrowed,
        "message": found.failure.message if found.failure else "",
        "traceback": said[-4000:].replace(f"{copy}/", ""),
        "last_words": found.last_words,
        "place": {"file": place.file, "line": place.line, "function": place.function} if place else None,
        "frames": [
            {
                "file": frame.file,
                "line": frame.line,
                "function": frame.function,
                **_line(f"{frame.file}:{frame.line} is on the way to the failure", frame.file, frame.line, lines),
            }
            for frame in way
        ],
        **_verdict(found, copy, command).plain(),
    }


def _verdict(found: Reproduced, copy: Path, command: Sequence[str]) -> Statement:
    name = f"`{found.test}`" if found.test else f"`{shlex.join(command)}`"
    line = pytest_line(copy, [found.test]) if found.test else command_line(copy, command)
    alone = f"{len(found.failed_seeds)} of {found.runs} runs by itself"
    match found.verdict:
        case "always":
            return Statement(text=f"{name} fails in {alone}", how_to_check=line, expected="fails")
        case "never":
            return Statement(text=f"{name} fails in {alone}: it passes here", how_to_check=line, expected="passes")
        case "unknown":
            return Statement(text=f"{name} has no outcome: it does not run here", how_to_check=line, expected="fails")
        case "hash order":
            passed = next(seed for seed in range(found.runs) if seed not in found.failed_seeds)
            seeds = found.failed_seeds[0], passed
            return Statement(
                text=f"{name} fails in {alone}, and follows the order of hashing: with PYTHONHASHSEED={seeds[0]} it fails, "
                f"with {seeds[1]} it passes",
                how_to_check="; ".join(f"export PYTHONHASHSEED={seed}; {line}" for seed in seeds),
                expected="fails\npasses",
            )
        case "after others":
            behind = pytest_line(copy, [*found.polluters, found.test])
            others = f"`{found.polluters[0]}`" if found.narrowed else f"{len(found.polluters)} other tests"
            return Statement(
                text=f"{name} passes by itself and fails after {others}",
                how_to_check=f"{line}; {behind}",
                expected="passes\nfails",
            )
        case "sometimes":
            return Statement(
                text=f"{name} fails in {alone}, under the same conditions: in {_TRIES} runs both outcomes are to be seen",
                how_to_check=f"for i in $(seq {_TRIES}); do {line}; done | sort -u",
                expected="fails\npasses",
            )


def _line(text: str, file: str, line: int, lines: Lines) -> dict[str, Any]:
    command, expected = lines.shown([(file, line)])
    return Statement(text=text, how_to_check=command, expected=expected).plain()


def history(since: Since | None, has_history: bool) -> dict[str, Any] | None:
    """Return from where on the history was looked at."""
    if since is None or not has_history:
        return None
    return {"since": since.revision, "commit": since.commit, "how": since.how}


def suspect(commit: Commit, files: Sequence[str], touched: bytes) -> dict[str, Any]:
    """Return a commit that touched `files`; `touched` is what git names, by NUL."""
    names = [name.decode(errors="replace") for name in touched.strip(b"\n").split(b"\0") if name]
    where = " ".join(map(quoted, names))
    statement = Statement(
        text=f"{commit.commit[:12]} ({commit.subject}) touched {', '.join(names)}",
        how_to_check=f"git log -1 --no-renames --relative --format=%s --name-only {commit.commit} -- {where} | sed '/^$/d'",
        expected="\n".join((commit.subject, *names)),
    )
    return {**plain(commit), "files": names, **statement.plain()}


def bisected(found: Bisected, wanted: Reproduced, target: Path, copy: Path, command: Sequence[str]) -> dict[str, Any]:
    """Return how far the halving came; with a check that runs the test at both ends, as it is today."""
    data: dict[str, Any] = {
        "good": found.good,
        "bad": found.bad,
        "between": found.between,
        "found": bool(found.good and found.bad and not found.between),
        "note": found.note,
        "tried": [{"commit": commit, "passed": passed} for commit, passed in found.tried],
        "first_bad": None,
    }
    if found.good is None or found.bad is None:
        return data
    (first_bad,) = commits(target, "-1", found.bad)
    data["first_bad"] = plain(first_bad)
    name = f"`{wanted.test}`" if wanted.test else f"`{shlex.join(command)}`"
    between = f", {found.between} commits between them untried" if found.between else ", the next commit"
    statement = Statement(
        text=f"{name}, as it is today, passes at {found.good[:12]} and fails at {found.bad[:12]} ({first_bad.subject}){between}",
        how_to_check="; ".join(_at(commit, wanted.test, copy, command) for commit in (found.good, found.bad)),
        expected="passes\nfails",
    )
    return {**data, **statement.plain()}


def _at(commit: str, test: str, copy: Path, command: Sequence[str]) -> str:
    """Return a command that runs it at a commit, in a directory of its own."""
    file = test.partition("::")[0]
    steps = ["d=$(mktemp -d)", f'git archive {commit} | tar -xC "$d"']
    if test and (copy / file).is_file():
        parent = file.rpartition("/")[0]
        steps.append(f'mkdir -p "$d"/{quoted(parent or ".")} && cp {quoted(file)} "$d"/{quoted(file)}')
    line = pytest_line(copy, [test]) if test else command_line(copy, command)
    return " && ".join(steps) + f' && (cd "$d" && {line})'


def summary(data: Mapping[str, Any]) -> str:
    """Return one sentence with what matters."""
    subjects = data["subjects"]
    if not subjects:
        return "Nothing fails: all tests that ran passed."
    first = subjects[0]
    text = str(first["text"])
    if first["place"]:
        text += f", at {first['place']['file']}:{first['place']['line']}"
    message = " ".join(str(first["message"]).split())[:200].replace("`", "'")
    if message:
        text += f" ({message})"
    found = data["bisect"]
    if found and found["found"]:
        commit = found["first_bad"]
        text += f"; {commit['commit'][:12]} by {commit['author']} brought it: {commit['subject'].replace('`', chr(39))}"
    elif data["suspects"]:
        text += f"; {len(data['suspects'])} commits touched the files on the way"
    others = len(subjects) - 1 + len(data["other_failures"])
    return f"{text}{f'; {others} more looked into or failing' if others else ''}."
