"""Measurements against rivals, in one run each; see benchmarks/README.md."""
