"""Frames into folders: linked, copied or moved, each step in a journal first, and all of it undoable."""
