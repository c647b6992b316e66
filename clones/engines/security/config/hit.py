"""What a rule finds, and what values look like that are credentials."""

import re

import msgspec


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's word on one place."""

    rule: str
    """Its id in `rules.toml`, such as `docker/curl-pipe-shell`."""
    line: int
    message: str
    """What is there, without the value of a credential."""
    secret: str = ""
    """The credential, where there is one."""


class FileError(ValueError):
    """Why a file is not understood."""


_CREDENTIAL_NAME = re.compile(
    r"(?:^|[_.-])(?:password|passwd|pwd|passphrase|secret|secret[_-]?key|token|api[_-]?key|access[_-]?key|private[_-]?key"
    r"|credentials?)(?:[_-](?:key|value))?$|^secretkey$|^apikey$",
    re.IGNORECASE,
)
_NO_CREDENTIAL = re.compile(
    r"|true|false|yes|no|none|null|\d{1,3}|[x*.\-_]+|/\S*|\.{1,2}/\S*|<[^>]*>|[a-z][a-z0-9+]*://[^@\s]*"
    r"|\S*(?:change[-_ ]?me|your[-_ ]|example|placeholder|dummy|replace[-_ ]?me|to[-_ ]?be[-_ ]|insert[-_ ])\S*",
    re.IGNORECASE,
)


def is_credential(name: str, value: str) -> bool:
    """Whether a setting of this name with this value holds a credential, as opposed to a gap, a path or a reference."""
    value = value.strip().strip("\"'")
    left_open = "$" in value or "{{" in value or "%(" in value
    return bool(_CREDENTIAL_NAME.search(name)) and not left_open and not _NO_CREDENTIAL.fullmatch(value)
