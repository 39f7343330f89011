"""The Python door: load a model, explain scans, without a command line and without Lightning."""
