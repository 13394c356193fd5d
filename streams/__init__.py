"""When: the Faust app, its agents, topics and windowed tables."""
