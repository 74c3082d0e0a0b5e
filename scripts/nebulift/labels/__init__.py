"""Verdicts: what was measured, the limit it was held against, and the word for it."""
