import os
import sys
import time
from pathlib import Path

import pytest

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.process import minimal_env, run
from tests.bus.eventually import WITHIN_S

ROOT = Path("/")


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def test_both_outputs_and_the_status_are_told_and_input_is_fed() -> None:
    done = run(["sh", "-c", "cat; echo no >&2; exit 3"], cwd=ROOT, timeout_s=WITHIN_S, stdin=b"in\0put" * 50_000)
    assert (done.exit_status, done.stdout, done.stderr, done.truncated) == (3, b"in\0put" * 50_000, b"no\n", False)


def test_without_input_standard_input_is_empty() -> None:
    assert run(["cat"], cwd=ROOT, timeout_s=WITHIN_S).stdout == b""


def test_it_runs_in_the_given_directory_without_a_shell(tmp_path: Path) -> None:
    assert run(["printf", "%s", "$HOME;id"], cwd=tmp_path, timeout_s=WITHIN_S).stdout == b"$HOME;id"
    assert run(["pwd", "-P"], cwd=tmp_path, timeout_s=WITHIN_S).stdout.decode().strip() == str(tmp_path.resolve())


def test_a_tool_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    child = f"import time\nwhile True:\n open({str(beat)!r}, 'a').write('.'); time.sleep(0.01)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {child!r}])"
    for timeout_s in (2, 10, 50):  # a busy machine is given more
        with pytest.raises(EngineError, match=rf"had not ended after {timeout_s} s") as raised:
            run(python(parent), cwd=ROOT, timeout_s=timeout_s)
        assert raised.value.code == "engine_timeout"
        if beat.exists():
            break
    time.sleep(0.1)  # a write that was under way comes to its end
    size = beat.stat().st_size
    time.sleep(0.1)
    assert beat.stat().st_size == size


def test_what_a_tool_wrote_before_it_was_stopped_is_kept() -> None:
    for timeout_s in (1, 5, 25):  # a busy machine is given more
        with pytest.raises(process.StoppedError) as raised:
            run(["sh", "-c", "echo begun; exec sleep 60"], cwd=ROOT, timeout_s=timeout_s)
        if raised.value.stdout:
            break
    assert raised.value.stdout == b"begun\n"


def test_a_child_that_holds_the_output_does_not_hold_the_call_and_is_killed() -> None:
    done = run(["sh", "-c", "sleep 600 & echo $$ $!"], cwd=ROOT, timeout_s=60)
    tool, child = map(int, done.stdout.split())
    deadline = time.monotonic() + WITHIN_S
    # an orphan is reaped by whoever is its new parent, some time later; until then it has no arguments any more
    while arguments(child) == [b"sleep", b"600"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(ChildProcessError):
        os.waitpid(tool, os.WNOHANG)


def arguments(process_id: int) -> list[bytes]:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []


def test_output_beyond_the_bounds_is_dropped_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_STDOUT_BYTES", 100_000)
    monkeypatch.setattr(process, "MAX_STDERR_BYTES", 1000)
    noise = "import sys; sys.stdout.write('a' * 300_000 + 'b'); sys.stderr.write('c' * 300_000 + 'd')"
    done = run(python(noise), cwd=ROOT, timeout_s=WITHIN_S)
    assert done.stdout == b"a" * 100_000
    assert done.stderr == b"c" * 999 + b"d"
    assert done.truncated
    assert run(python("print('a' * 99_999)"), cwd=ROOT, timeout_s=WITHIN_S).truncated is False


@pytest.mark.parametrize("tool", ["no-such-tool", "/etc/passwd"])
def test_a_tool_that_cannot_be_started_is_named(tool: str) -> None:
    with pytest.raises(EngineError, match=f"cannot run `{tool}`") as raised:
        run([tool], cwd=ROOT, timeout_s=WITHIN_S)
    assert raised.value.code == "tool_missing"


def test_a_missing_directory_is_not_taken_for_a_missing_tool(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no such directory"):
        run(["true"], cwd=tmp_path / "missing", timeout_s=WITHIN_S)


def test_tools_see_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_URL", "NATS_PASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "GIT_DIR"):
        monkeypatch.setenv(name, "value")
    monkeypatch.setenv("HTTPS_PROXY", "user:password@proxy.invalid:3128")
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("LC_TIME", "C")
    env = minimal_env()
    assert not {"NATS_URL", "NATS_PASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH"} & env.keys()
    assert "HTTPS_PROXY" not in env
    assert (env["NO_PROXY"], env["LC_TIME"]) == ("localhost", "C")
    seen = run(python("import os; print(sorted(os.environ))"), cwd=ROOT, timeout_s=WITHIN_S).stdout.decode()
    assert "NATS" not in seen


def test_the_tools_installed_with_sanctuary_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert minimal_env()["PATH"] == f"{Path(sys.executable).parent}:/usr/bin:/bin"


def test_a_given_environment_is_the_whole_environment() -> None:
    done = run(
        [*python("import os; print(os.environ.get('ONLY'), len(os.environ))")],
        cwd=ROOT,
        timeout_s=WITHIN_S,
        env={"ONLY": "x"},
    )
    assert done.stdout.split()[0] == b"x"
