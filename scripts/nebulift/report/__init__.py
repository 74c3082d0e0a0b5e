"""The report: what happened to each night and why, on one page that opens without a network."""
