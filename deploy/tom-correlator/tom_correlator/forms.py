"""What a person can ask of the correlator."""

from __future__ import annotations

from django import forms
from tom_dataservices.forms import BaseQueryForm

MAX_ROWS = 99
"""A TOM shows 100 rows and forgets the last of them."""


class CorrelatorForm(BaseQueryForm):
    """A question about the target list of a science case."""

    case = forms.CharField(
        label="Science case", help_text="kilonova, grb-afterglow, neutrino-counterpart ..."
    )
    event = forms.CharField(
        required=False, label="Event", help_text="Key or id: lvk:S250101a, S250101a"
    )
    site = forms.CharField(
        required=False, label="Site", help_text="Weigh by what is up tonight: palomar, rubin ..."
    )
    filter = forms.CharField(
        required=False,
        label="Filter",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="The correlator's filter language: log_lr >= 5 and last_mag_ab < 20",
    )
    limit = forms.IntegerField(
        required=False, label="Rows at most", min_value=1, max_value=MAX_ROWS, initial=50
    )

    def simple_fields(self) -> list[str]:
        """What is shown first."""
        return ["case", "event", "site", "limit"]
