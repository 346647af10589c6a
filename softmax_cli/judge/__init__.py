"""How good and how calibrated: measured against targets."""
