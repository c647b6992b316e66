"""The pieces of an index that are nearest to a question, by the cosine of their embeddings."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ops.embeddings import parts
from ops.embeddings.endpoint import Endpoint
from ops.embeddings.errors import EmbeddingsUnusable
from ops.embeddings.vectors import MAX_VECTORS, Vector, Vectors, digest

MOST = 50
"""Pieces that are returned: what comes later is as far from the question as anything."""
BATCH = 16
"""Texts of one request: a model on a busy CPU answers them within the time that a request has."""

OnProgress = Callable[[int, int], None]
"""Told how many texts of how many have their vectors."""


async def alike(
    index: Path, question: str, endpoint: Endpoint, vectors: Vectors, on_progress: OnProgress
) -> dict[int, int]:
    """Return rows of the index, the nearest first, each with the line of its nearest part, counted from the piece's first.

    What is new is embedded, and kept as soon as it is: who interrupts this goes on from there.

    Raises:
        EmbeddingsUnusable: the model cannot be asked, or there is more to embed than is kept.
    """
    told = list(parts.of_index(index))
    if len(told) > MAX_VECTORS:
        raise EmbeddingsUnusable(
            f"{len(told):,} parts are to be embedded, and {MAX_VECTORS:,} is the most: name a smaller --target, "
            "or ask without --embeddings"
        )
    keys = [digest(part.text) for part in told]
    # first, so that a model that is not there is told before anything is read
    [asked] = await endpoint.embed([question])
    # of another length where another model had the name
    known = {key: vector for key, vector in vectors.known(list({*keys})).items() if vector.size == asked.size}
    missing = list({key: part.text for key, part in zip(keys, told, strict=True) if key not in known}.items())
    for start in range(0, len(missing), BATCH):
        on_progress(start, len(missing))
        batch = missing[start : start + BATCH]
        made = dict(zip((key for key, _ in batch), await endpoint.embed([text for _, text in batch]), strict=True))
        if any(vector.size != asked.size for vector in made.values()):
            raise EmbeddingsUnusable(f"the model {endpoint.name} answers with vectors of different lengths")
        vectors.keep(made)
        known |= made
    if missing:
        on_progress(len(missing), len(missing))
    return nearest(told, [known[key] for key in keys], asked)


def nearest(told: Sequence[parts.Part], vectors: Sequence[Vector], asked: Vector) -> dict[int, int]:
    """Return the rows of the parts that are nearest to what is asked, the nearest first, each with its nearest part's line.

    What has nothing in common with it, a cosine of 0 or less, is left out.
    """
    if not vectors:
        return {}
    near = np.stack(vectors) @ asked
    best: dict[int, tuple[float, int]] = {}
    for part, cosine in zip(told, near.tolist(), strict=True):
        if cosine > (best[part.row][0] if part.row in best else 0.0):
            best[part.row] = (cosine, part.line)
    rows = sorted(best, key=lambda row: (-best[row][0], row))[:MOST]
    return {row: best[row][1] for row in rows}
