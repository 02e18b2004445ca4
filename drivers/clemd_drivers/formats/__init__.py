"""Readers of vendor files, one folder per vendor, found by entry point."""
