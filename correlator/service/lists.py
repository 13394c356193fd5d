"""The ranked lists as a person reads them on a terminal."""

from __future__ import annotations

from rich.table import Table

from correlator.audience import OPERATOR, Reader
from correlator.policy import DAY_S
from correlator.service.commands.options import plain
from correlator.service.console import stdout_console
from correlator.service.replay import ReplayResult
from correlator.service.results import results_for
from correlator.service.times import iso_utc
from correlator.target import Target

_SHOWN = 10


def print_lists(result: ReplayResult, reader: Reader = OPERATOR) -> None:
    """Print the target list of each science case as a reader may read it, and what came in."""
    console = stdout_console()
    for case, targets in results_for(result.results, reader).targets.items():
        console.print(_table(case, targets))
        if len(targets) > _SHOWN:
            console.print(f"  ... and {len(targets) - _SHOWN} more")
    report, store = result.report, result.report["store"]
    console.print(
        f"As of {iso_utc(result.results.as_of_unix_s)}: {report['alerts_read']} alerts read, "
        f"{store['alerts']} passed the gate, {store['notices']} notices, {store['events']} events, "
        f"{store['pairs']} candidate pairs, {report['refused']} refused, "
        f"{report['seconds']:.1f} s."
    )


def _table(case: str, targets: tuple[Target, ...]) -> Table:
    table = Table(title=f"{case}: {len(targets)} targets", title_justify="left", expand=False)
    for name, justify in (
        ("#", "right"),
        ("object", "left"),
        ("event", "left"),
        ("RA, Dec (deg)", "right"),
        ("mag", "right"),
        ("after T0 (d)", "right"),
        ("level", "right"),
        ("fade (mag/d)", "right"),
        ("ln LR", "right"),
        ("priority", "right"),
    ):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for target in targets[:_SHOWN]:
        table.add_row(*plain(_cells(target)))
    return table


def _cells(target: Target) -> list[str]:
    pair, priority = target.coincidence.pair, target.coincidence.priority
    obj = pair.object
    mag = "" if obj.last_mag_ab is None else f"{obj.last_mag_ab:.2f} {obj.last_band}"
    return [
        str(target.rank),
        pair.object_key,
        pair.event_key,
        f"{obj.ra_deg:.5f} {obj.dec_deg:+.5f}",
        mag,
        f"{pair.delta_t_s / DAY_S:.2f}",
        f"{pair.credible_level:.3f}",
        "" if obj.rate is None else f"{obj.rate.mag_per_day:+.2f}",
        f"{pair.log_lr:.2f}",
        f"{priority.value:.2f}",
    ]
