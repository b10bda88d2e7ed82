"""Expectations on newly loaded raw records."""
