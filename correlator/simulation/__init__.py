"""Simulated nights with known truth; nothing but the shell may import what they are drawn from."""
