"""Training with trl: multi-turn GRPO over the engine."""
