"""The ids of steps: each place has its own, and a secret keeps them from whoever does not know it."""

import hashlib
import hmac

from clones.workflows.ids import step_id

SECRET = "000102030405060708090a0b0c0d0e0f"
PLACES = (("a", None, False), ("a", 0, False), ("a", 1, False), ("a", 1, True), ("a", None, True), ("b", None, False))


def test_each_place_has_its_own_under_each_secret() -> None:
    ids = {
        step_id(run, step, index, compensation=undone, secret=secret)
        for run in ("run-1", "run-2")
        for secret in ("", SECRET, SECRET[::-1])
        for step, index, undone in PLACES
    }
    assert len(ids) == 2 * 3 * len(PLACES)


def test_the_formula_is_what_runs_under_way_were_begun_with() -> None:
    place = b"run-1/a/1/compensation"
    keyed = hmac.new(SECRET.encode(), place, hashlib.sha256).hexdigest()[:32]
    assert step_id("run-1", "a", 1, compensation=True, secret=SECRET) == keyed
    assert step_id("run-1", "a", 1, compensation=True, secret="") == hashlib.sha256(place).hexdigest()[:32]
