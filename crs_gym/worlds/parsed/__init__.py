"""From a corpus's records to columns: the rules that make tasks of dialogues, and the cache that keeps the result."""
