"""The versions of what a network is given, readable without importing what makes it."""

# Raise it with every change of what a preview shows: kept previews and models of older versions then no longer fit.
PREVIEW_VERSION = 2

# Raise it with every change of what a context holds (dataset.context): models of older versions then no longer fit.
CONTEXT_VERSION = 1
