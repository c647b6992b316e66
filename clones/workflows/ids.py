"""The ids of what a run has done: the same after any restart, so that nothing is done under two ids."""

import hashlib


def step_id(workflow_id: str, step: str, index: int | None = None, *, compensation: bool = False) -> str:
    """Return the id of a step's task or sub-workflow: 32 hex digits of SHA-256 over the place.

    The place is `<workflow_id>/<step>[/<index>][/compensation]`; none of its parts holds a `/`, and no index is a word.
    """
    place = [workflow_id, step]
    if index is not None:
        place.append(str(index))
    if compensation:
        place.append("compensation")
    return hashlib.sha256("/".join(place).encode()).hexdigest()[:32]
