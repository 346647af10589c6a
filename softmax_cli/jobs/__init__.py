"""Directories and other sets of inputs: what belongs to them, and what becomes of each."""
