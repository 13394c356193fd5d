"""How a TOM finds the plug-in."""

from __future__ import annotations

from django.apps import AppConfig


class TomCorrelatorConfig(AppConfig):
    """To be named in ``INSTALLED_APPS`` as ``tom_correlator``."""

    name = "tom_correlator"
    verbose_name = "Multi-messenger correlator"

    def data_services(self) -> list[dict[str, str]]:
        """What ``tom_dataservices`` asks every app for."""
        return [{"class": "tom_correlator.data_service.CorrelatorDataService"}]
