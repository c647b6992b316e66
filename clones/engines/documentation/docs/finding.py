"""What the checks of documents and docstrings say."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One place in a document, or a docstring, that does not hold."""

    file: str
    line: int
    rule: str
    """Such as `dead-link`."""
    message: str
