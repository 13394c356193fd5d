"""Optical packets to alerts; survey spellings end here."""
