"""Where environments are kept."""

import os
import time
from pathlib import Path

import pytest

from clones.engines.contract import EngineError
from clones.engines.environment import cache


def test_the_key_changes_with_what_a_build_depends_on_and_with_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pyproject.toml").write_text("[project]", encoding="utf-8")
    (tmp_path / "pkg" / "code.py").write_text("a", encoding="utf-8")
    keys = [cache.key_of(tmp_path, "3.11")]
    (tmp_path / "pkg" / "code.py").write_text("b", encoding="utf-8")
    assert cache.key_of(tmp_path, "3.11") == keys[0]
    for name in ("pyproject.toml", "pkg/fast.pyx", "pkg/_version.py", "requirements-dev.txt"):
        (tmp_path / name).write_text("changed", encoding="utf-8")
        keys.append(cache.key_of(tmp_path, "3.11"))
    keys.append(cache.key_of(tmp_path, "3.12"))
    assert len(set(keys)) == len(keys)


def test_one_builds_while_the_other_waits(tmp_path: Path) -> None:
    waits: list[str] = []
    with cache.locked(tmp_path / "env", deadline=time.monotonic() + 5, on_wait=lambda: waits.append("first")):
        assert not waits
        other = cache.locked(tmp_path / "env", deadline=time.monotonic(), on_wait=lambda: waits.append("second"))
        with pytest.raises(EngineError) as caught, other:
            pass
    assert (waits, caught.value.code, caught.value.retryable) == (["second"], "engine_timeout", True)
    with cache.locked(tmp_path / "env", deadline=time.monotonic(), on_wait=lambda: waits.append("third")):
        assert waits == ["second"]


def test_environments_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    for name, age_s in (("old", cache.UNUSED_S + 60), ("young", 60.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "used").touch()
        os.utime(tmp_path / name / "used", (time.time() - age_s,) * 2)
    cache.remove_unused(tmp_path, now=time.time())
    assert [(tmp_path / name).exists() for name in ("old", "young")] == [False, True]
