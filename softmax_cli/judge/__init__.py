"""How good and how calibrated: measured against targets; and how probabilities come about."""
