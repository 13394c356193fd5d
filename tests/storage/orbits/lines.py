"""Lines as the Minor Planet Center describes them, written here and of no real body."""

FORMAT = (
    "{name:<7} {h:>5} {g:>5} {epoch:<5} {m:9.5f}  {peri:9.5f}  {node:9.5f}  {incl:9.5f}"
    "  {e:9.7f} {n:11.8f} {a:11.7f}"
)
"""https://www.minorplanetcenter.net/iau/info/MPOrbitFormat.html, columns 1 to 103."""

HEAD = "MINOR PLANET CENTER ORBIT DATABASE\n\nDes'n     H     G   Epoch\n" + "-" * 160 + "\n"


def line(name="K01A01A", **changed):
    """A line of a main-belt body, filled to the 202 columns of the file."""
    said = {
        "h": "16.00",
        "g": " 0.15",
        "epoch": "K25BL",
        "m": 40.5,
        "peri": 150.25,
        "node": 80.125,
        "incl": 7.0625,
        "e": 0.125,
        "n": 0.2,
        "a": 2.5,
        **changed,
    }
    return FORMAT.format(name=name, **said).ljust(202)
