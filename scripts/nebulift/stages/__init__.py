"""The stages of the workflow, from files to files: what each rule does, and what the command line and Python call too."""
