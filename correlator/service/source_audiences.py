"""Who may read the packets of files, by the survey or the mission that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from correlator.alert import Alert
from correlator.audience import PUBLIC, Audience, union
from correlator.notice import Notice


@dataclass(frozen=True, slots=True)
class SourceAudiences:
    """Audiences of surveys and of missions' series.

    Attributes
    ----------
    by_source
        By survey (``lsst``), by mission in small letters (``einstein probe``), or by series of
        events, with which an event's key begins (``fermi-gbm``); what is not named is public.
    """

    by_source: Mapping[str, Audience] = field(default_factory=dict)

    def of_alert(self, alert: Alert) -> Alert:
        """An alert, for those who may read its survey and whoever it was for before."""
        audience = self.by_source.get(alert.survey)
        if not audience:
            return alert
        return replace(alert, audience=union((alert.audience, audience)))

    def of_notice(self, notice: Notice) -> Audience:
        """Who may read a notice."""
        names = {notice.mission.lower(), notice.stream}
        return union(self.by_source.get(name, PUBLIC) for name in names)

    @property
    def of_any(self) -> Audience:
        """Who may read what could be of any source."""
        return union(self.by_source.values())


NO_AUDIENCES = SourceAudiences()
