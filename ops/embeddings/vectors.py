"""Vectors that are kept: SQLite, by model and text, so that a text is embedded once on a machine."""

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import platformdirs
from numpy.typing import NDArray

from ops.embeddings.errors import EmbeddingsUnusable

MAX_VECTORS = 200_000
"""The newest are kept. A vector of a common model has 1 to 6 kilobytes."""
_AT_ONCE = 500
"""SQLite binds a limited number of values to a statement."""

Vector = NDArray[np.float32]
"""One dimension; of length 1, so that a product is a cosine."""


def default_path() -> Path:
    """Return the file of this user's vectors. Nothing else is in it, and it may be deleted at any time."""
    return platformdirs.user_cache_path("sanctuary") / "embeddings.sqlite"


def digest(text: str) -> bytes:
    """Return the key of a text."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Vectors:
    """The vectors of one model; use as a context manager. Several processes may use the file at once."""

    def __init__(self, path: Path, model: str) -> None:
        """Take the file, made where there is none, and what names the model and where it is served.

        Raises:
            OSError: the file's directory cannot be made.
            EmbeddingsUnusable: the file is no such database, or cannot be read or written; `known` and `keep` raise it too.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = path
        self._model = model
        with self._told():
            self._connection = sqlite3.connect(path, timeout=30.0)
            path.chmod(0o600)
            with self._connection:
                self._connection.execute(
                    "CREATE TABLE IF NOT EXISTS vectors (id INTEGER PRIMARY KEY, model TEXT, digest BLOB, vector BLOB, "
                    "UNIQUE (model, digest))"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def known(self, digests: Sequence[bytes]) -> dict[bytes, Vector]:
        """Return what is kept of these."""
        found: dict[bytes, Vector] = {}
        for start in range(0, len(digests), _AT_ONCE):
            some = digests[start : start + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT digest, vector FROM vectors WHERE model = ? AND digest IN ({marks})"  # noqa: S608  marks alone
            with self._told():
                for key, raw in self._connection.execute(query, (self._model, *some)):
                    found[key] = np.frombuffer(raw, dtype="<f4")
        return found

    def keep(self, vectors: Mapping[bytes, Vector]) -> None:
        """Keep these, and let the oldest go where there are too many."""
        rows = [(self._model, key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        with self._told(), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO vectors (model, digest, vector) VALUES (?, ?, ?)", rows
            )
            self._connection.execute(
                "DELETE FROM vectors WHERE id <= (SELECT max(id) FROM vectors) - ?", (MAX_VECTORS,)
            )

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError) as error:
            raise EmbeddingsUnusable(
                f"{self._path}: {error}. It holds kept embeddings and nothing else: delete it, and see that its disk has room."
            ) from None


def unit(values: Iterable[float]) -> Vector:
    """Return a vector of length 1, or of length 0 where all values are 0.

    Raises:
        ValueError: a value is no finite number, or there are none.
    """
    vector = np.asarray(list(values), dtype=np.float32)
    if not vector.size or not np.isfinite(vector).all():
        raise ValueError("no vector of finite numbers")
    length = float(np.linalg.norm(vector))
    return vector / length if length else vector
