"""How often Nebulift is right, on frames whose truth is known; one module per experiment.

Each experiment has a NAME, a TITLE, `tasks` (what to do, in pieces that need nothing of each other), `observe` (one
piece; returns records) and `outcome` (all records to rates with their targets). Only `observe` is costly.
"""
