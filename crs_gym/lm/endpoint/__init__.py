"""A language model behind any server that speaks OpenAI's protocol: vLLM, SGLang, llama.cpp, `transformers serve`.

    model.py         `EndpointModel`: many requests at once, each row by itself
    connection.py    one request: its deadline, retries, the key, the size of the answer, errors
    protocol.py      what is sent, and what of an answer is read
    abilities.py     what the server turns out to be able to do
    words.py         from the most probable tokens to the probabilities of words

Needs `pip install "crs-gym[endpoint]"`, when a model is made.
"""

from crs_gym.lm.endpoint.model import EndpointModel

__all__ = ["EndpointModel"]
