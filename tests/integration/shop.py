"""A small project with planted facts."""

import subprocess
from pathlib import Path

FILES = {
    "shop/__init__.py": '"""A shop."""\n',
    "shop/cart.py": (
        '"""What a customer wants to buy."""\n'
        "\n"
        "from shop import prices\n"
        "\n"
        "\n"
        "def total(cart):\n"
        "    return sum(prices.price(name) * count for name, count in cart.items())\n"
        "\n"
        "\n"
        "def discounted(cart, rule):\n"
        '    return eval(rule, {"total": total(cart)})\n'
    ),
    "shop/prices.py": (
        'PRICES = {"apple": 3, "pear": 4}\n'
        "\n"
        "\n"
        "def price(name):\n"
        '    """Return what one costs."""\n'
        "    return PRICES[name]\n"
    ),
    "tests/test_cart.py": (
        "from shop.cart import discounted, total\n"
        "\n"
        "\n"
        "def test_total():\n"
        '    assert total({"apple": 2, "pear": 1}) == 10\n'
        "\n"
        "\n"
        "def test_nothing():\n"
        "    assert total({}) == 0\n"
        "\n"
        "\n"
        "def test_discount():\n"
        '    assert discounted({"apple": 2}, "total // 2") == 2\n'
    ),
}
EVAL = "shop/cart.py:11"
FAILING = "tests/test_cart.py::test_discount"
UNDOCUMENTED = {"shop.cart.total": 6, "shop.cart.discounted": 10, "shop.prices": 1}
"""Names to lines; the other three public objects have docstrings."""


def make_shop(directory: Path) -> str:
    """Write it into a git repository, and return its revision."""
    for name, text in FILES.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "the shop opens")
    return git(directory, "rev-parse", "HEAD")


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    argv = ("git", "-C", str(directory), *identity, *arguments)
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
