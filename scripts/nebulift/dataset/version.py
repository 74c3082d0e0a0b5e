"""The version of the previews, readable without importing what makes them."""

# Raise it with every change of what a preview shows: kept previews and models of older versions then no longer fit.
PREVIEW_VERSION = 2
