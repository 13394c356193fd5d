"""Catalogues of the sky on disk: built once of published files, then asked about positions."""

MEMORY_BYTES = 2**30
"""What the entries of all catalogues of a store take, unless one says otherwise [bytes]."""
