"""The REST interface ``/api/v1``: one routes file a noun, over one store."""
