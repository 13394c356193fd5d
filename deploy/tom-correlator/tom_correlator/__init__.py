"""The multi-messenger correlator for TOM Toolkit: a DataService and an AlertStream."""

__version__ = "0.1.0"
