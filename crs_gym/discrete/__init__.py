"""The Discrete view: the same episodes, users and rewards as numbers, for learners that know no words.

settings.py    which candidates, how many, how they are shown
source.py      where candidates come from: a recommender's own scores
heard.py       what users say, in columns
belief.py      what is known of each seeker: films and facets spoken for and against
candidates.py  the best films by source and belief, best first
encoding.py    belief and candidates as arrays; the meaning of every number
dialogue_encoder.py  what the user said as sentence embeddings, beside these
wording.py     the policy's words, from templates
view.py        from an action's number to a turn, and from a game to an observation
env.py         one dialogue
vector.py      many of them, in NumPy
"""
