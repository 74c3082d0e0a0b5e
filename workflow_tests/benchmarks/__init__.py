"""How right and how fast Nebulift is, measured: `accuracy` and `speed` are commands that write RESULTS.md."""
