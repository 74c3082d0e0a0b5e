"""The stages of the workflow, from files to files: what rules do, and what the command line and Python call too."""
