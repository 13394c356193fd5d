"""Benchmarks as ratios to named peers; ``python -m benchmarks`` runs them."""
