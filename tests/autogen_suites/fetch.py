"""Gets AutoGen's tests: the source distributions from the package index, checked by their hashes, and out of them the tests."""

import subprocess
import sys
import tarfile
from pathlib import Path

_LIST = Path(__file__).parent / "sdists.txt"
_PACKAGES = {"core": "autogen_core", "chat": "autogen_agentchat", "ext": "autogen_ext"}
SUITES = {
    "core": (
        "test_cancellation.py",
        "test_closure_agent.py",
        "test_intervention.py",
        "test_routed_agent.py",
        "test_runtime.py",
        "test_state.py",
        "test_subscription.py",
        "test_tool_agent.py",
    ),
    "chat": (
        "test_group_chat.py",
        "test_group_chat_graph.py",
        "test_group_chat_nested.py",
        "test_group_chat_pause_resume.py",
        "test_magentic_one_group_chat.py",
        "test_sequential_routed_agent.py",
        "test_society_of_mind_agent.py",
        "test_streaming_message_id_correlation.py",
    ),
    "ext": ("test_worker_runtime.py",),
}
"""The files that are about runtimes and teams, by the directory that they are put into."""


def fetch(target: Path) -> None:
    """Put the suites into `target`; does nothing where they are there from these source distributions.

    Raises:
        SystemExit: they cannot be got; pip's own words stand above.
    """
    mark = target / "from.txt"
    if mark.exists() and mark.read_bytes() == _LIST.read_bytes():
        return
    downloads = target / "sdists"
    downloads.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # Hatchling, which pip asks for their metadata, is in the environment.
    pip += ["--no-binary", ":all:", "--no-build-isolation", "--require-hashes", "--dest", str(downloads)]
    if subprocess.run([*pip, "-r", str(_LIST)], check=False).returncode:
        raise SystemExit("AutoGen's source distributions were not to be had from the package index")
    for suite, package in _PACKAGES.items():
        (archive,) = downloads.glob(f"{package}-*.tar.gz")
        _unpack(archive, target / suite)
    mark.write_bytes(_LIST.read_bytes())


def _unpack(archive: Path, target: Path) -> None:
    """Write the files below `tests/` of a source distribution."""
    with tarfile.open(archive) as sdist:
        for member in sdist.getmembers():
            _, _, path = member.name.partition("/tests/")
            if path and member.isfile():
                sdist.extract(member.replace(name=path), target, filter="data")
