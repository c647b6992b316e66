"""A small project whose tests end in every way that pytest knows."""

from collections.abc import Mapping
from pathlib import Path

CALC = {
    "calc/__init__.py": """
def add(a, b):
    if a is None:
        return b
    return a + b


def unused():
    return 1
""",
    "calc/never_imported.py": "X = 1\n",
    "tests/test_calc.py": """
import pytest
from calc import add

@pytest.fixture
def broken():
    raise RuntimeError("no database")

@pytest.fixture
def breaks_afterwards():
    yield
    raise RuntimeError("still open")

def test_fails():
    assert add(1, 2) == 4

@pytest.mark.skip(reason="not now")
def test_skipped(): pass

@pytest.mark.xfail(reason="known")
def test_xfails():
    assert add(1, 1) == 3

@pytest.mark.xfail(reason="better than thought")
def test_xpasses():
    assert add(1, 1) == 2

def test_error(broken): pass

def test_teardown(breaks_afterwards): pass

@pytest.mark.parametrize("n", [1, 2, 3])
def test_many(n):
    assert add(None, n) == n
""",
    "tests/test_skips_itself.py": "import pytest\npytest.importorskip('no_such_module_at_all')\n",
}

BUSY = {
    "busy.py": """
import sys, time

def spin(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(50))

class Worker:
    def rest(self):
        time.sleep(0.1)

def main():
    begin = time.perf_counter()
    Worker().rest()
    spin(max(0.4, 4 * (time.perf_counter() - begin)))  # the hottest, however long the machine let it rest
    if len(sys.argv) > 1:
        print("that is no good argument", file=sys.stderr)
        sys.exit(int(sys.argv[1]))

if __name__ == "__main__":
    main()
""",
}


def project(root: Path, files: Mapping[str, str]) -> Path:
    """Write a project and return its directory."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root
