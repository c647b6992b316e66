"""Which weaknesses are one and the same to who mends them, whatever number a scanner gives (CWE 4.x, by MITRE)."""

_FAMILIES = (
    (78, {77, 78, 88}),  # commands
    (95, {94, 95, 96}),  # code
    (89, {89, 564, 943}),  # queries
    (79, {79, 80, 83, 87}),  # markup
    (22, {22, 23, 36, 73, 99}),  # paths
    (611, {611, 776, 827}),  # XML that reaches out, or unfolds without end
    (328, {327, 328, 916}),  # broken hashes and ciphers
    (338, {330, 331, 338}),  # numbers that can be guessed
    (798, {259, 321, 522, 798}),  # credentials in the code
    (113, {93, 113}),  # header lines
    (377, {377, 378, 379}),  # temporary files
    (295, {295, 297, 322}),  # whom one talks to
    (1327, {605, 1327}),  # addresses listened on
)
_FAMILY = {cwe: family for family, members in _FAMILIES for cwe in members}


def family(cwe: int) -> int:
    """Return the number that stands for a weakness and its kin."""
    return _FAMILY.get(cwe, cwe)
