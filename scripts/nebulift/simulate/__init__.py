"""Physically sound made-up nights: star fields seen through a telescope and camera, with artefacts whose truth is known."""
