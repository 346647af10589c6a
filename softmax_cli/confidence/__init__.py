"""What makes a probability one to act on: a calibration, conformal sets, and abstaining."""
