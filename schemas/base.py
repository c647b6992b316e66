"""The two families of messages: what is asked (strict) and what is told (growing)."""

import msgspec


class Told(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag=True, omit_defaults=True):
    """An event, a result or a status: readers ignore fields they do not know, so that these messages can grow."""


class Asked(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag_field="type",
    tag=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """An assignment or a command: unknown fields are refused, so that a typo is told instead of ignored."""
