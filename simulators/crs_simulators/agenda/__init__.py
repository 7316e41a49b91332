"""`agenda`: a user that follows rules, in the tradition of agenda-based simulation (Schatzmann et al. 2007).

It opens, answers questions about a facet, likes or dislikes what it is shown and says why, has seen some films already,
accepts what pleases it enough, and leaves when its patience is at an end. It sees no target: where the world knows the
seeker's true taste it answers from that, exactly; elsewhere from the films that the seeker says it likes and
dislikes. All dialogues of a batch are decided at once, in columns; words are rendered only when someone reads them.

    taste.py    what the seeker likes: utilities of shown items, and facets worth telling
    policy.py   what the user does: decisions from utilities, patience and noise
    wording.py  how it says so
"""

from crs_gym.simulator import SimulatorEntry
from crs_simulators.agenda.policy import AgendaSimulator

AGENDA = SimulatorEntry(
    build=AgendaSimulator,
    summary="rule-driven user: answers, likes, dislikes, accepts, loses patience; options noise, patience",
)
