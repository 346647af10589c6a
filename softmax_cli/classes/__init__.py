"""Some of the classes, or groups of them, instead of all."""
