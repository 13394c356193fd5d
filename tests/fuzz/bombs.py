"""Packets made to exhaust a reader: small ones that stand for much, and ones of 100 MB."""

from __future__ import annotations

from tests.fuzz import bombs_of_alerts, bombs_of_files, bombs_of_maps, bombs_of_notices
from tests.fuzz.bomb_parts import Bombs

BOMBS: Bombs = {
    **bombs_of_notices.BOMBS,
    **bombs_of_maps.BOMBS,
    **bombs_of_alerts.BOMBS,
    **bombs_of_files.BOMBS,
}
"""Name to the kind of reader that it is for, and what makes it."""

SLOW = frozenset(
    {
        "a gzip bomb of 1 GB", "a gzip bomb before the table", "zeros after the table",
        "a gzip bomb in an alert", "a gzip bomb in an envelope", "a deflate bomb",
        "a gzip file in a gzip file",
        "a header without an end", "a map of zeros", "a map of 12 million cells",
        "a map of 6 million doubles", "a map of 786,432 distances", "empty gzip members",
        "empty gzip members in an alert", "a history of nothing", "arrays of nothing",
        "5 million integers", "large integers", "dates", "rows of one byte", "texts of two letters",
        "rows of 100 integers", "maps of one", "maps of nothing", "a tar header of 8 GB",
        "a tar name of 8 GB", "a tar member of 8 GB", "a tar file of a gzip bomb",
        "a tar file of 5,000 packets", "a history of 20,000 rows", "a history of 25,000 rows",
        "a Parquet text of 300 MB that says 3", "a gzip bomb in a GCN notice",
        "a gzip bomb that nobody reads",
    }
)  # fmt: skip
"""Bombs that take long to make or to refuse."""

SOUND = frozenset(
    {
        "a gzip bomb that nobody reads", "a map of 786,432 cells", "a map of 786,432 distances",
        "a million chains", "a million lists", "a million objects", "a million small objects",
        "a multi-order map of 1.6 million distances", "a multi-order map of 2 million cells",
    }
)  # fmt: skip
"""Bombs of notices and maps that are no more than large: read, within the bounds; all others are
refused."""

OF_NOTICES = frozenset(n for n, (k, _) in BOMBS.items() if k in ("voevent", "igwn", "gcn", "fits"))

QUICK = tuple(
    name
    for name in BOMBS
    if name not in SLOW and " million " not in name and "00 MB" not in name and "8 MB" not in name
)
"""Bombs of the default suite."""
