"""Elements of one container: reading, and strong and weak updates, which make a changed copy."""

from clones.engines.security.taint.heap import MAX_ITEMS, Key, Obj
from clones.engines.security.taint.values import NOTHING, UNKNOWN, Value, const, join, join_all, tainted

SEQUENCES = {"list", "tuple"}


def keys_of(obj: Obj) -> Value:
    """Return what the keys of a dictionary may be."""
    keys = join_all(const(key) for key in obj.items)
    return keys if obj.is_exact else join(keys, tainted(obj.rest.taints))


def element_of(obj: Obj, key: Value) -> Value:
    """Return the element of a key."""
    if not key.is_constant:
        return obj.element()
    result = NOTHING
    for each in key.consts:
        at: Key = each
        if obj.kind in SEQUENCES and isinstance(each, int) and each < 0:
            if not obj.is_exact:
                return obj.element()
            at = len(obj.items) + each
        known = obj.items.get(at)
        # in a sequence of unknown length the elements have no places
        result = join(result, known if known is not None else obj.rest)
    return join(UNKNOWN, result) if obj.open and result.is_nothing else result


def with_element(obj: Obj, key: Value, value: Value, *, strong: bool) -> Obj:
    """Return a container with an element put in; a weak update keeps what stood there beside it."""
    if key.is_single and len(obj.items) < MAX_ITEMS and obj.kind not in {"set", "iterator"}:
        at: Key = key.constant
        if obj.kind in SEQUENCES and isinstance(at, int) and at < 0:
            at = len(obj.items) + at
        if obj.kind not in SEQUENCES or at in obj.items:
            known = obj.items.get(at)
            new = value if strong or known is None else join(known, value)
            return obj.changed(items={**obj.items, at: new})
    return obj.changed(rest=join(obj.rest, value))


def appended(obj: Obj, value: Value) -> Obj:
    """Return a container with an element behind the last."""
    if obj.is_exact and len(obj.items) < MAX_ITEMS and obj.kind != "iterator":
        return obj.changed(items={**obj.items, len(obj.items): value})
    return loosened(obj, value)


def loosened(obj: Obj, value: Value) -> Obj:
    """Return a container whose elements have lost their places."""
    return obj.changed(items={}, rest=join(obj.element(), value))
