"""A small project with a history: releases, what breaks between them, a commit that brings a failure and one that slows it down."""

from pathlib import Path

from tests.integration.shop import git

_TOTALS = (
    '"""Totals of what was counted."""\n'
    "\n"
    "\n"
    "def total(numbers):\n"
    '    """Return the sum of numbers."""\n'
    "    return sum(numbers)\n"
    "\n"
    "\n"
    "def mean(numbers, digits=2):\n"
    '    """Return the mean, rounded."""\n'
    "    return round(total(numbers) / len(numbers), digits)\n"
)
_SPREAD = (
    '"""How far apart numbers are."""\n'
    "\n"
    "from sums.totals import mean\n"
    "\n"
    "\n"
    "def spread(numbers):\n"
    '    """Return the mean distance from the mean."""\n'
    "    middle = mean(numbers)\n"
    "    return mean([abs(number - middle) for number in numbers])\n"
)
FAILING = "tests/test_totals.py::test_debts"
SLOWED = "spread"
BROKEN = "mean"
_FIRST = {
    "pyproject.toml": '[project]\nname = "sums"\nversion = "1.0.0"\n',
    "README.md": "# Sums\n\nCounts what a shop has sold.\n",
    "sums/__init__.py": '"""Sums."""\n',
    "sums/totals.py": _TOTALS,
    "sums/spread.py": _SPREAD,
    "bench.py": "from sums.spread import spread\n\nprint(spread(list(range(1500))))\n",
    "tests/test_totals.py": (
        "from sums.totals import mean, total\n"
        "\n"
        "\n"
        "def test_mean():\n"
        "    assert mean([1, 2]) == 1.5\n"
        "\n"
        "\n"
        "def test_debts():\n"
        "    assert total([-1, -2]) == -3\n"
    ),
}
_LATER = (
    (
        "feat: a spread of nothing is 0",
        "sums/spread.py",
        "    middle =",
        "    if not numbers:\n        return 0\n    middle =",
    ),
    ("fix!: the mean is no longer rounded", "sums/totals.py", "def mean(numbers, digits=2)", "def mean(numbers)"),
    ("refactor: sum by hand", "sums/totals.py", "return sum(numbers)", "return sum(n for n in numbers if n > 0)"),
    ("refactor: a middle for each", "sums/spread.py", "abs(number - middle)", "abs(number - mean(numbers))"),
)
"""Subject, file, and what the commit replaces by what."""
FAILURE_BROUGHT_BY = _LATER[2][0]


def make_sums(directory: Path) -> None:
    """Write the project into a git repository: version v1.0.0, and what came after it."""
    for name, text in _FIRST.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "feat: sums")
    git(directory, "tag", "v1.0.0")
    for subject, file, old, new in _LATER:
        path = directory / file
        text = path.read_text()
        assert old in text
        text = text.replace(old, new)
        if subject.startswith("fix!"):
            text = text.replace("round(total(numbers) / len(numbers), digits)", "total(numbers) / len(numbers)")
        path.write_text(text)
        git(directory, "commit", "-q", "-a", "-m", subject)
