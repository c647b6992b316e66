"""Settings in Python code and in files of lines, and the scanner over all of them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from clones.engines.security import analyse, scanners
from clones.engines.security.config import plain_files, python_settings, scan
from clones.engines.security.config.hit import FileError, Hit
from clones.engines.security.scope import survey
from clones.params import SecurityParams
from tests.clones.engines.security.config.test_containers import COMPOSE, MANIFEST, told

DJANGO = """import os
DEBUG = True
SECRET_KEY = "django-insecure-0123456789"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = []
ROOT_URLCONF = "shop.urls"
SESSION_COOKIE_SECURE = False
SESSION_COOKIE_HTTPONLY = False
CSRF_COOKIE_SECURE = True
CORS_ALLOW_ALL_ORIGINS = True
"""
SOUND = """import os
DEBUG = True
INSTALLED_APPS = []
ROOT_URLCONF = "shop.urls"
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["example.org"]
SESSION_COOKIE_SECURE = not DEBUG
DEBUG = os.environ.get("DEBUG") == "1"
CORS_ALLOW_ALL_ORIGINS = True
if os.environ.get("PRODUCTION"):
    CORS_ALLOW_ALL_ORIGINS = False
"""
FLASK = """import os
from flask import Flask
app = Flask(__name__)
app.secret_key = b"0123456789abcdef"
app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or "you-will-never-guess"
app.config.update(SESSION_COOKIE_SECURE=False, SECRET_KEY=os.environ["SECRET_KEY"])
app.config["SESSION_COOKIE_HTTPONLY"] = False
app.config["SECRET_KEY"] = os.getenv("SECRET_KEY")
"""
NGINX = """server {
  ssl_protocols TLSv1 TLSv1.2;
  location /files { # not ended by a slash
    alias /srv/files/;
    autoindex on;
  }
  location /static/ {
    alias /srv/static/;
  }
  location /to {
    proxy_pass http://$arg_host/;
    return 302 https://example.org$uri;
  }
  location /sound {
    # autoindex on;
    proxy_pass http://backend$request_uri;
    return 302 https://example.org$request_uri;
  }
  ssl_protocols TLSv1.2 TLSv1.3;
}
"""


@pytest.mark.parametrize(
    ("check", "text", "expected"),
    [
        (
            python_settings.check,
            DJANGO,
            [
                *((2, "debug"), (3, "secret-key"), (4, "all-hosts"), (7, "cookie-not-secure")),
                *((8, "cookie-not-httponly"), (10, "open-cors")),
            ],
        ),
        (python_settings.check, SOUND, []),
        (
            python_settings.check,
            FLASK,
            [(4, "secret-key"), (5, "secret-key"), (6, "cookie-not-secure"), (7, "cookie-not-httponly")],
        ),
        (python_settings.check, FLASK.replace("flask", "other"), []),
        (
            plain_files.nginx,
            NGINX,
            [(2, "old-tls"), (4, "alias-traversal"), (5, "autoindex"), (11, "open-proxy"), (12, "header-splitting")],
        ),
        (
            plain_files.npmrc,
            "//r.example.org/:_authToken=npm_0123456789\n//r.example.org/:_authToken=${NPM_TOKEN}\nstrict-ssl=false\n",
            [(1, "credential"), (3, "tls-off")],
        ),
        (plain_files.pypirc, "[pypi]\nusername = __token__\npassword = pypi-0123456789\n", [(3, "credential")]),
        (plain_files.pypirc, "[pypi]\nusername = __token__\npassword =\n", []),
        (plain_files.pip_conf, "[global]\ntimeout = 5\ntrusted-host = example.org\n", [(3, "tls-off")]),
    ],
)
def test_settings(check: Callable[[str], list[Hit]], text: str, expected: list[tuple[int, str]]) -> None:
    assert told(check, text) == expected


@pytest.mark.parametrize("text", ["def", "(" * 5000, "\0"])
def test_what_is_no_python_is_said(text: str) -> None:
    with pytest.raises(FileError):
        python_settings.check(text)


def test_each_file_is_judged_by_its_kind(tmp_path: Path) -> None:
    files = {
        "Dockerfile": "FROM python\n",
        "docker/web.dockerfile": "FROM python\n",
        "compose.prod.yaml": COMPOSE,
        "k8s/web.yml": MANIFEST,
        "shop/settings.py": DJANGO,
        "shop/settings/local.py": DJANGO,
        "shop/settings_dev.py": DJANGO,
        "docs/shop/settings.py": DJANGO,
        "pricing/latest/settings.py": DJANGO,
        "tests/settings.py": DJANGO,
        "docs/Dockerfile.md": "FROM python\n",
        "deploy/site.conf": NGINX,
        "chart/templates/web.yaml": "apiVersion: v1\nkind: Pod\n{{- if x }}\nspec: [\n",
        "broken.yaml": "apiVersion: v1\nkind: Pod\nspec: [\n",
        "other.yaml": "a: [",
        "broken/settings.py": "SECRET_KEY = (\n",
    }
    target, copy = tmp_path / "target", tmp_path / "copy"
    copy.mkdir()
    for name, text in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(text)
    done = scan.scan(copy, survey(target, copy), lambda _: None)
    assert {each.path for each in done.results} == {
        *("Dockerfile", "docker/web.dockerfile", "compose.prod.yaml", "k8s/web.yml", "shop/settings.py"),
        *("deploy/site.conf", "pricing/latest/settings.py"),
    }
    assert (done.files_analysed, sorted(done.unread)) == (7, ["broken.yaml"])
    assert done.left_out[0].reason.startswith("1 are templates")
    assert all(each.title and each.check and each.cwe and each.severity for each in done.results)


def test_no_credential_leaves_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, out = tmp_path / "shop", tmp_path / "out"
    target.mkdir()
    out.mkdir()
    (target / "compose.yml").write_text(COMPOSE)
    (target / "Dockerfile").write_text("FROM a:1\nENV DB_PASSWORD=correcthorse\nUSER app\n")
    only = [each for each in scanners.scanners() if each.name == "config"]
    monkeypatch.setattr(scanners, "scanners", lambda: only)
    told = analyse(target, SecurityParams(target=str(target)), out, lambda *_: None)
    found = {(each["rule"], each["file"]): each for each in told.data["findings"]}
    assert found["docker/credential", "Dockerfile"]["snippet"] == "ENV DB_PASSWORD=[redacted]"
    assert found["docker/credential", "Dockerfile"]["severity"] == "high"
    written = (out / "security.sarif").read_text() + str(told)
    assert "correcthorse" not in written
    assert "0123456789abcdef" not in written
