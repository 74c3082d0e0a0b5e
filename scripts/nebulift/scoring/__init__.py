"""Pure functions on the pixels of one frame: background, stars, streaks, saturation, hot pixels."""
