"""What a plan says where nothing was said: every default in one place, light enough for the help to tell them."""

from __future__ import annotations

MODEL = "emoji-sd"
SEED = 0

BASES, REPEATS, LEVELS = 40, 2, 9
"""The even grid, where part of it is named and the rest is not."""

GENERATIONS = 1000
"""The budget of a prompt, in full generations, where none is named."""

PATIENCE = 20
"""How many such budgets a run that was asked for a precision spends at most."""
