"""The types that an agent class's handlers take and return, as autogen-core's decorators note them."""

from collections.abc import Iterator


def types_of(cls: type) -> Iterator[type]:
    """Return them; nothing for agents that dispatch for themselves."""
    for name in dir(cls):
        handler = getattr(cls, name, None)
        if getattr(handler, "is_message_handler", False):
            for attribute in ("target_types", "produces_types"):
                yield from (found for found in getattr(handler, attribute, ()) if isinstance(found, type))
