"""Catalogues of the sky on disk: built once of published files, then asked about positions."""
