"""The published error codes: `error_codes.txt` may only grow."""

from pathlib import Path

from bus.attempts import is_retryable
from schemas import RETRYABLE, ErrorCode

PUBLISHED = Path(__file__).with_name("error_codes.txt").read_text(encoding="ascii").split()


def test_no_published_code_has_gone_and_new_ones_are_published() -> None:
    assert sorted(ErrorCode) == sorted(PUBLISHED)


def test_a_code_is_a_plain_lower_case_word_and_says_its_name() -> None:
    for code in ErrorCode:
        assert code.value == code.name.lower()


def test_which_codes_may_be_tried_again() -> None:
    assert {str(code) for code in RETRYABLE} == {
        "engine_crashed",
        "handler_failed",
        "network_unavailable",
        "target_unavailable",
    }
    assert is_retryable("engine_crashed")
    assert not is_retryable("cancelled")
    assert not is_retryable("a_code_of_a_later_version")
