"""Vectors that are kept."""

from pathlib import Path

import numpy as np
import pytest

from ops.embeddings import EmbeddingsUnusable, Vectors, vectors
from ops.embeddings.vectors import digest, unit

A, B, C = digest("a"), digest("b"), digest("c")


def test_a_model_s_vectors_are_kept_for_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "cache/v.sqlite"
    with Vectors(path, "one") as one, Vectors(path, "two") as two:
        one.keep({A: unit([3, 4])})
        two.keep({B: unit([1, 0])})
        assert two.known([A]) == {}
    with Vectors(path, "one") as again:
        assert {key: vector.tolist() for key, vector in again.known([A, B]).items()} == {A: pytest.approx([0.6, 0.8])}
        again.keep({A: unit([0, 2])})
        assert again.known([A])[A].tolist() == [0, 1]
    assert path.stat().st_mode & 0o077 == 0


def test_more_are_asked_for_than_a_statement_takes(tmp_path: Path) -> None:
    keys = [digest(str(number)) for number in range(2000)]
    with Vectors(tmp_path / "v", "one") as kept:
        kept.keep({key: unit([at + 1.0]) for at, key in enumerate(keys)})
        assert kept.known(keys).keys() == {*keys}


def test_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "MAX_VECTORS", 2)
    with Vectors(tmp_path / "v", "one") as kept:
        for key in (A, B, C):
            kept.keep({key: unit([1])})
        assert kept.known([A, B, C]).keys() == {B, C}


def test_a_file_that_is_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    path.write_bytes(b"not a database, and long enough to be seen as none" * 100)
    with pytest.raises(EmbeddingsUnusable, match=rf"{path}: file is not a database\. .* delete it"):
        Vectors(path, "one")


@pytest.mark.parametrize("values", [[], [np.nan], [1.0, np.inf]])
def test_what_is_no_vector_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        unit(values)


def test_a_vector_of_zeros_is_near_to_nothing() -> None:
    assert unit([0, 0]).tolist() == [0, 0]
