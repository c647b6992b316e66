"""The `security` engine: flaws in code and configuration, secrets, vulnerable dependencies, as findings and as SARIF.

The scanners (`scanners`) read a copy of the target (`scope`), so that nothing in it can steer them: those that others have
written (`bandit_scan`, `ruff_scan`, `secrets_scan`, `ci_scan`, `javascript_scan`, `go_scan`) and our own (`taint`, `osv`,
`config`). What they report about one place is merged (`merge`),
rated (`judge`) with the texts of `rules.toml`, freed of secrets (`redact`) and written down (`sarif`).
"""

from clones.engines.security.engine import analyse

__all__ = ["analyse"]
