"""How the workflow holds out over a season: time, memory, kills, and a plan for more frames than anybody has."""
