"""Training with trl: multi-turn GRPO over the engine.

settings.py           what a training is told (imports no torch)
training.py           `train`: from settings to an adapter in a folder
grpo.py               trl's trainer with our rollouts and credit by turn; departures from the papers
rollouts.py           episodes that a model writes, with each of its tokens
writer.py             the copy of the trained model that writes them
credit.py             advantages
scoring.py            log-probabilities at the places that were written
branches.py           rows that begin alike, as a tree: what they share is computed once
watching.py           figures, and guards against known hacks
curves.py             a picture of them
prompts.py            episodes as prompts
tool_environment.py   the environment for those who start from trl's own tool calling
"""
