"""Read single files of a target as what a stranger made: no link leads outside, no pipe is waited for, no file is endless."""

import os
import stat
import tomllib
from configparser import ConfigParser
from configparser import Error as ConfigError
from pathlib import Path
from typing import Any

MAX_SETTINGS_BYTES = 2 * 1024 * 1024
"""Larger settings are read as if they were not there."""


def content(target: Path, name: str, limit_bytes: int) -> bytes | None:
    """Return what the file `name` below `target` holds.

    None where it is not there or cannot be read, is larger than `limit_bytes`, no regular file, or a link to outside.
    """
    try:
        path = (target / name).resolve(strict=True)
        if not path.is_relative_to(target.resolve()):
            return None
        # without O_NONBLOCK the opening of a pipe would wait for ever
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            regular = stat.S_ISREG(status.st_mode) and status.st_size <= limit_bytes
            return file.read(limit_bytes) if regular else None
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle, until Python 3.13
        return None


def text(target: Path, name: str) -> str:
    """Return the text of a file of settings; empty where `content` has none, or it is not UTF-8."""
    try:
        return (content(target, name, MAX_SETTINGS_BYTES) or b"").decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return ""


def toml(target: Path, name: str) -> dict[str, Any]:
    """Return what a TOML file holds; empty where `text` has none, or it is no TOML."""
    try:
        return tomllib.loads(text(target, name))
    except (ValueError, RecursionError):
        return {}


def ini(target: Path, name: str) -> ConfigParser:
    """Return what an INI file holds; empty where `text` has none, or it is no INI file."""
    config = ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text(target, name))
    except ConfigError:
        return ConfigParser(interpolation=None)
    return config
