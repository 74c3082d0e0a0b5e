"""What only the night can tell of a frame: its group, and how it compares with its own kind."""
