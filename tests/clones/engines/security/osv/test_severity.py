"""CVSS 3 base scores, against those that NVD and GitHub publish for these vectors."""

import pytest

from clones.engines.security.osv.severity import base_score, cwes, rate, rating


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8),  # CVE-2020-14343
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),  # CVE-2021-44228
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H", 9.1),  # CVE-2019-10744
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:N/A:N", 8.6),  # CVE-2019-10906
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 7.5),  # CVE-2014-0160
        ("CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H", 7.2),  # CVE-2021-23337
        ("CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:C/C:H/I:N/A:N", 6.1),  # CVE-2023-32681
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N/E:P", 6.1),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:N/I:N/A:N", 0.0),
    ],
)
def test_the_base_score_is_the_published_one(vector: str, score: float) -> None:
    assert base_score(vector) == score


def test_the_rating_is_of_the_vector_and_else_the_word_of_the_database() -> None:
    medium = ("CVSS_V3", "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:C/C:H/I:N/A:N")
    newer = ("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N")
    assert rate([medium], {"severity": "LOW"}) == ("medium", medium[1])
    assert rate([newer], {"severity": "HIGH"}) == ("high", newer[1])
    assert rate([newer, medium], {}) == ("medium", medium[1])
    assert rate([("CVSS_V3", "CVSS:3.1/AV:N")], {"severity": "MODERATE"}) == ("medium", "CVSS:3.1/AV:N")
    assert rate([], {"severity": 7}) == (None, "")
    assert [rating(score) for score in (0, 3.9, 4, 6.9, 7, 8.9, 9)] == [
        *("low", "low", "medium", "medium", "high", "high", "critical")
    ]
    assert cwes({"cwe_ids": ["CWE-79", 8, "CWE-x", "CWE-352"]}) == (79, 352)
