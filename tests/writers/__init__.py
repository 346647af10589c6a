"""Sinks: what they write, byte for byte."""
