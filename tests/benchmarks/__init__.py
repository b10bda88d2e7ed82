"""Benchmarks: not part of the test run; ``make bench`` prints ratios measured in one run."""
