"""Small git repositories, made by the commit."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


class History:
    """A repository at `root`; each commit is an hour after the one before, so that hashes are the same every time."""

    def __init__(self, root: Path) -> None:
        """Begin one without a commit."""
        self.root = root
        self._hours = 0
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, author: str = "Ada Lovelace") -> str:
        """Run git in it and return what it prints."""
        date = f"2026-01-{1 + self._hours // 24:02d}T{self._hours % 24:02d}:00:00Z"
        email = f"{author.split(maxsplit=1)[0].lower()}@example.org"
        env = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": author,
            "GIT_AUTHOR_EMAIL": email,
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_NAME": author,
            "GIT_COMMITTER_EMAIL": email,
            "GIT_COMMITTER_DATE": date,
        }
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=True, timeout=300)
        return done.stdout.strip()

    def write(self, files: Mapping[str, str | None]) -> None:
        """Write files, and remove those whose content is None."""
        for name, content in files.items():
            path = self.root / name
            if content is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")

    def commit(
        self, message: str, files: Mapping[str, str | None] | None = None, *, author: str = "Ada Lovelace"
    ) -> str:
        """Commit everything, after writing `files`; returns the hash."""
        self.write(files or {})
        self._hours += 1
        self.git("add", "--all", author=author)
        self.git("commit", "--quiet", "--allow-empty", "--message", message, author=author)
        return self.git("rev-parse", "HEAD")
