"""The shell: settings, command line, wiring. It may import everything; nothing imports it."""
