"""A small application with known flaws, written at run time: none of its secrets stands in this repository."""

import base64
import hashlib
import os
from pathlib import Path


def token(seed: str) -> str:
    """Return what looks like a GitHub token."""
    return "ghp_" + hashlib.sha256(seed.encode()).hexdigest()[:36]


def aws_key() -> str:
    """Return what looks like an AWS key id."""
    return "AKIA" + base64.b32encode(hashlib.sha256(b"aws").digest()).decode()[:16]


def pem() -> str:
    """Return what looks like a private key."""
    body = base64.b64encode(b"".join(hashlib.sha512(bytes([part])).digest() for part in range(9))).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    edge = "-----{} RSA PRIVATE " + "KEY-----"
    return "\n".join((edge.format("BEGIN"), *lines, edge.format("END"), ""))


PASSWORD = "Sommer" + "regen"
"""No pattern of gitleaks' matches it; bandit and ruff go by the name it is given to."""

RUN = """
import hashlib
import subprocess
import yaml


def start(command, text):
    subprocess.run(command, shell=True)
    subprocess.run(
        ["ls", command],
        check=True,
    )
    yaml.load(text, Loader=yaml.Loader)
    assert text
    return eval(text), hashlib.md5(text)
"""

COMMENTS = """
import os

os.system(os.environ["A"])  # nosec
os.system(os.environ["B"])  # nosec B605
os.system(os.environ["C"])  # noqa: S605
os.system(os.environ["D"])  # noqa
os.system(os.environ["E"])  # noqa: E501
"""


def write(target: Path) -> None:
    """Write the application below `target`."""
    files = {
        "app/__init__.py": "",
        "app/run.py": RUN,
        "app/comments.py": COMMENTS,
        "app/settings.py": f'KEY = "{aws_key()}"\nDB_PASSWORD = "{PASSWORD}"\nAPI_TOKEN = "{token("settings")}"\n',
        "app/stub.pyi": "def f(password: str = 'stubborn') -> None: ...\n",
        "app/build/__init__.py": "exec(input())\n",
        "deploy/id_rsa": pem(),
        "deploy/encoded.txt": base64.b64encode(f'token = "{token("encoded")}"'.encode()).decode() + "\n",
        "deploy/allowed.txt": f"token: {token('allowed')}  # gitleaks:allow\n",
        "docs/index.md": f"API_KEY='{hashlib.sha256(b'docs').hexdigest()[:32]}'\n",
        ".github/check.py": "eval(input())\n",
        "tests/test_run.py": f'import pickle\n\n\ndef test_run():\n    assert connect(password="{PASSWORD}")\n',
        "tests/broken.py": "def broken(:\n    assert 1\n",
        # what must not be scanned, or must not steer the scan
        ".venv/pyvenv.cfg": "home = /usr\n",
        ".venv/lib/installed.py": "eval(input())\n",
        "node_modules/left/pad.py": "eval(input())\n",
        "app/__pycache__/run.cpython-311.pyc": token("cache"),
        "build/lib/app.py": "eval(input())\n",
        ".git/config": f"url = https://{token('git')}@example.com\n",
        ".bandit": "[bandit]\nskips = B307,B602\nexclude = app\n",
        "ruff.toml": 'exclude = ["app"]\n[lint]\nignore = ["S"]\n',
        ".gitignore": "*\n",
        ".gitleaks.toml": 'title = "x"\n[[rules]]\nid = "nothing"\nregex = "nothing-at-all"\n',
    }
    for name, text in files.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (target / "app/latin.py").write_bytes('# -*- coding: latin-1 -*-\nx = input("\xe9")\nexec(x)\n'.encode("latin-1"))
    (target / ".venv/bin").mkdir()
    (target / "app/large.py").write_text("exec(input())\n" + "#" * 1024 * 1024)
    outside = target.parent / "outside.py"
    outside.write_text("eval(input())\n")
    (target / "app/link.py").symlink_to(outside)
    (target / "linked").symlink_to(target.parent)
    os.mkfifo(target / "app/pipe.py")
