"""Language models: the one door to whatever writes text. Importing it imports no torch.

interface.py            what every model answers
loading.py              from a name to a model
weights.py              where weights are found; behind it wheels, hub, gguf, made_once, model_folder, revision
transformers_model.py   weights on this machine; behind it decoding, forward, llama, modules, cache, attention
endpoint/               any server that speaks OpenAI's protocol
scripted.py             given lines, for tests
guide.py                texts of which only some places are a choice
noise.py                keyed noise for sampling
"""

from crs_gym.lm.interface import (
    READ,
    Chat,
    ChatMessage,
    Generation,
    GuidedWriting,
    LanguageModel,
    Prompt,
    Sampling,
    TextLikelihood,
)

__all__ = [
    "READ",
    "Chat",
    "ChatMessage",
    "Generation",
    "GuidedWriting",
    "LanguageModel",
    "Prompt",
    "Sampling",
    "TextLikelihood",
]
