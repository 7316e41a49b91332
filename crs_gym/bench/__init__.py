"""Measurements of the package itself: speed, start-up, the title resolver."""
