"""Nebulift grades nights of raw telescope frames.

The rooms of the package stand in the order in which data flows; each imports only rooms before it:
`frames`, `scoring`, `nights`, `labels`, `dataset`, `model`, `sorting`, `report`; `simulate` imports only `frames`.
`stages` joins them, one module per stage of the workflow: what a rule does, from files to files.
Importing the package itself costs nothing: every import is made from the module that is needed.
"""

__version__ = "0.1.0"
