"""The version of the scorer, readable without importing it."""

# Raise it with every change that alters a score: kept scores of older versions are then measured anew.
SCORER_VERSION = 7
