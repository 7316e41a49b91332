"""Offline learning: record an agent, export its dialogues for Minari, clone it, and let both meet the same new users.

python examples/offline_cloning.py [AGENT] [TASKS]

Needs `pip install "crs-gym[minari]" torch`. `ask-then-recommend` is cloned by default. It acts by words and films, the
clone by the numbers of the Discrete view, so `nearest=True` takes for each of its turns the action that comes nearest.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import minari
import numpy as np
import torch

from crs_gym.agent import NamedAgent
from crs_gym.discrete.policy import DiscreteAgent
from crs_gym.evaluation import evaluate
from crs_gym.evaluation.tables import print_results
from crs_gym.export import export_minari
from crs_gym.worlds import load_world

TEACHER = sys.argv[1] if len(sys.argv) > 1 else "ask-then-recommend"
TASKS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
EPOCHS, BATCH, WIDTH = 30, 128, 128


def numbers(observations: dict[str, np.ndarray]) -> torch.Tensor:
    """`(n, numbers)`: all entries of `n` observations, side by side."""
    n = len(observations["turn"])
    return torch.from_numpy(np.hstack([observations[name].reshape(n, -1) for name in sorted(observations)]))


torch.manual_seed(0)
with tempfile.TemporaryDirectory() as folder:
    run, out = Path(folder) / "run", Path(folder) / "cloned-v0"
    evaluate("CRS-Sample-v0", [TEACHER], split="train", tasks=TASKS, out=run, progress=True)
    made = export_minari([run], out, view="discrete", nearest=True)
    dataset = minari.MinariDataset(out / "data")
    print(f"{dataset.id}: {made.episodes} episodes, {made.steps} steps, {made.exact} of them exact")
    episodes = list(dataset.iterate_episodes())

states = torch.cat([numbers(episode.observations)[:-1] for episode in episodes])  # (steps, numbers)
masks = torch.cat([torch.from_numpy(episode.observations["action_mask"])[:-1] for episode in episodes]) > 0
actions = torch.cat([torch.from_numpy(episode.actions) for episode in episodes])  # (steps,)
held_out = len(actions) // 10  # whole episodes but for one; they come in no order that matters

policy = torch.nn.Sequential(
    torch.nn.Linear(states.shape[1], WIDTH), torch.nn.ReLU(), torch.nn.Linear(WIDTH, masks.shape[1])
)
optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-3, weight_decay=0.01)
for _ in range(EPOCHS):
    for rows in torch.randperm(len(actions) - held_out).split(BATCH):
        logits = policy(states[rows]).masked_fill(~masks[rows], -torch.inf)
        loss = torch.nn.functional.cross_entropy(logits, actions[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def choose(observations: dict[str, np.ndarray], masks: np.ndarray) -> np.ndarray:
    """The likeliest action of each."""
    return policy(numbers(observations)).masked_fill(~torch.from_numpy(masks), -torch.inf).argmax(dim=1).numpy()


same = choose({"turn": states[-held_out:].numpy()}, masks[-held_out:].numpy()) == actions[-held_out:].numpy()
print(f"action as the teacher's: {same.mean():.0%} of {held_out} held-out steps")
clone = NamedAgent("clone", DiscreteAgent(load_world("sample"), choose))
print_results(evaluate("CRS-Sample-v0", [TEACHER, clone, "ease"], split="test", tasks=TASKS // 2, baseline=TEACHER))
