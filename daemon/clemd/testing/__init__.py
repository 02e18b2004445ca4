"""Suites that every driver inherits; for tests only, needs pytest."""

from ._format_suite import FormatDriverSuite, GoodFile, read_all

__all__ = ["FormatDriverSuite", "GoodFile", "read_all"]
