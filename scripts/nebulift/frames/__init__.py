"""Readers that turn a file into one `Frame`, and the listing of a folder of frames."""
