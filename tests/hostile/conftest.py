"""Fixtures of this folder."""

from tests.run.conftest import make

__all__ = ["make"]
