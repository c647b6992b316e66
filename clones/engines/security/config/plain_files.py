"""nginx, and the settings of npm, pip and the upload to PyPI: files of lines."""

import configparser
import re
from collections.abc import Iterator

from clones.engines.security.config.hit import FileError, Hit

_MAX_CHARS = 1000
"""Of a line; the patterns' time grows faster than its length."""
_OLD_TLS = re.compile(r"\s*ssl_protocols\s+[^;#]*\b(SSLv2|SSLv3|TLSv1|TLSv1\.1)(?=[\s;])")
_AUTOINDEX = re.compile(r"\s*autoindex\s+on\s*;")
_LOCATION = re.compile(r"\s*location\s+(?:\^~\s+)?(?P<prefix>/[^\s~{]*[^/\s~{])(?=[\s{])")
_ALIAS = re.compile(r"\s*alias\s+[^;]*/\s*;")
_PROXY = re.compile(r"\s*proxy_pass\s+\w+://(?:\$(?:http_\w+|arg_\w+|args|cookie_\w+|uri|request_uri))")
_SPLIT = re.compile(r"\s*(?:return\s+30\d|rewrite\s+\S+|add_header\s+\S+)\s+[^;#]*\$(?:uri|document_uri)\b")
_NPM_SECRET = re.compile(r"(?:.*:)?(?P<name>_authToken|_auth|_password)\s*=\s*(?P<value>\S+)\s*")
_NPM_TLS = re.compile(r"(?:.*:)?strict-ssl\s*=\s*false\s*", re.IGNORECASE)


def nginx(text: str) -> list[Hit]:
    """Return what is unsafe in a configuration of nginx."""
    return list(_nginx([line[:_MAX_CHARS] for line in text.split("\n")]))


def _nginx(lines: list[str]) -> Iterator[Hit]:
    location = ""
    for number, raw in enumerate(lines, 1):
        line = raw.partition("#")[0]
        if opened := _LOCATION.match(line):
            location = opened["prefix"]
        elif "location" in line or "}" in line:
            location = ""
        if old := _OLD_TLS.match(line):
            yield Hit(rule="nginx/old-tls", line=number, message=f"{old[1]} is broken or withdrawn, and is offered")
        if _AUTOINDEX.match(line):
            yield Hit(rule="nginx/autoindex", line=number, message="everybody may list the files that are there")
        if location and _ALIAS.match(line):
            message = (
                f"`{location}../` leads out of the directory: the location has no `/` at its end, and the alias has one"
            )
            yield Hit(rule="nginx/alias-traversal", line=number, message=message)
        if _PROXY.match(line):
            yield Hit(rule="nginx/open-proxy", line=number, message="the request says to which server it is passed on")
        if _SPLIT.match(line):
            yield Hit(
                rule="nginx/header-splitting",
                line=number,
                message="`$uri` is decoded, so line ends in a request get into the answer's head",
            )


def npmrc(text: str) -> list[Hit]:
    """Return credentials and unsafe settings of npm."""
    hits = []
    for number, line in enumerate(text.splitlines(), 1):
        if (secret := _NPM_SECRET.fullmatch(line.strip())) and "$" not in secret["value"]:
            message = f"{secret['name']} lets everybody who has the file act as its owner"
            hits.append(
                Hit(rule="packages/credential", line=number, message=message, secret=secret["value"].strip("\"'"))
            )
        elif _NPM_TLS.fullmatch(line.strip()):
            hits.append(
                Hit(rule="packages/tls-off", line=number, message="packages are fetched without checking from whom")
            )
    return hits


def pypirc(text: str) -> list[Hit]:
    """Return credentials for an upload.

    Raises:
        FileError: it is no such file.
    """
    return list(_ini(text, {"password"}, set()))


def pip_conf(text: str) -> list[Hit]:
    """Return unsafe settings of pip.

    Raises:
        FileError: it is no such file.
    """
    return list(_ini(text, set(), {"trusted-host", "trusted_host"}))


def _ini(text: str, secrets: set[str], unsafe: set[str]) -> Iterator[Hit]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise FileError(f"no settings: {str(error).partition(chr(10))[0][:200]}") from None
    lines = text.splitlines()
    for section in parser.sections():
        for name, value in parser.items(section):
            line = next(
                (at for at, each in enumerate(lines, 1) if value and each.partition("=")[2].strip() == value), 1
            )
            if name in secrets and value and not value.startswith(("$", "%", "{")):
                message = "the credential of an upload lets everybody who has the file publish"
                yield Hit(rule="packages/credential", line=line, message=message, secret=value)
            elif name in unsafe and value:
                yield Hit(
                    rule="packages/tls-off", line=line, message=f"packages come from {value} without checking from whom"
                )
