"""As the archive's tests."""

from tests.ops.archive.conftest import rig, small

__all__ = ["rig", "small"]
