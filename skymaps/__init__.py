"""Where: sky positions, localizations, credible levels. Pure; knows no mission."""
