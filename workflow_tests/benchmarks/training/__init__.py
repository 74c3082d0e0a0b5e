"""What the network learns: from which start, and how fast it answers."""
