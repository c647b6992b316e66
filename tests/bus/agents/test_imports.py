"""Who needs no AutoGen never loads it: it takes longer than the whole command line."""

import subprocess
import sys

import pytest

_CODE = """
import importlib, pkgutil, sys, {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if not module.name.startswith(("bus.agent", "clones.agent", "ops.bench_autogen")) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(*sorted(name for name in sys.modules if name.startswith("autogen")))
"""


@pytest.mark.parametrize("package", ["bus", "clones", "ops"])
def test_nothing_else_imports_autogen(package: str) -> None:
    command = [sys.executable, "-c", _CODE.format(package=package)]
    assert subprocess.run(command, capture_output=True, check=True, text=True, timeout=110).stdout.split() == []
