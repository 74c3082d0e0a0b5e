"""How fast and with how much memory a frame is measured."""
