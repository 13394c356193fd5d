"""Upkeep of the store: what may go, its room, copies, roles of the database."""
