"""The checks by what they are about; importing this enters all of them, in the order in which they are run."""
from . import models, chat, completions, sampling, probabilities, structured, streams, errors, load  # noqa: F401
