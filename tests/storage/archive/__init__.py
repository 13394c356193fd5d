"""Nights as Parquet."""
