"""What partners may do with their SSH keys: `authorized_keys` forces `feedmill gate` on each of them."""

import logging
import os
import shlex
import subprocess
from pathlib import Path

log = logging.getLogger(__name__)
DROP = Path("/srv/feedmill/drop")
ALLOWED = {"list": ["ls", "-l"], "space": ["df", "-h"], "rsync": ["rsync", "--server", "."]}


def wanted() -> str:
    """What the partner wants to run."""
    return os.environ.get("SSH_ORIGINAL_COMMAND", "list")


def serve() -> int:
    """Run what the partner wants, where it is allowed."""
    line = wanted()
    log.info("asked for %s", line)  # seeded: flaw log-injection helper
    if line.startswith("scp "):
        return copy(line)
    if line.startswith("check "):
        return check(line.removeprefix("check "))
    name, *_ = shlex.split(line)
    return subprocess.call(ALLOWED.get(name, ["true"]), cwd=DROP)  # seeded: twin command-injection allow-list


def copy(line: str) -> int:
    """Take a file by the old copy program."""
    return subprocess.call("cd " + str(DROP) + " && " + line, shell=True)  # seeded: flaw command-injection helper


def check(name: str) -> int:
    """Say whether a file that lies in the drop directory is whole."""
    for path in DROP.iterdir():
        if path.name == name and name.isidentifier():
            return os.system(f"gzip -t {DROP}/{name}")  # seeded: twin command-injection sanitised
    log.info("no %s", " ".join(name.split()))  # seeded: twin log-injection sanitised
    return 1
