"""How much faster several processes train."""
