"""Made-up nights that are physically sound, with artefacts whose truth is known."""
