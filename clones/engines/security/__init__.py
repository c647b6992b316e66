"""The `security` engine: flaws in Python code, secrets in any file, as findings and as SARIF.

Three scanners read a copy of the target (`scope`), so that nothing in it can steer them: bandit (`bandit_scan`), ruff's
port of its rules (`ruff_scan`) and gitleaks (`secrets_scan`). What they report about one place is merged (`merge`),
rated (`judge`) with the texts of `rules.toml`, freed of secrets (`redact`) and written down (`sarif`).
"""

from clones.engines.security.engine import analyse

__all__ = ["analyse"]
