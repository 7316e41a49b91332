"""A corpus's files: where they are published, how they are had, and how they are read safely."""
