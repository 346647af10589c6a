"""Calibration, conformal sets and abstaining."""
