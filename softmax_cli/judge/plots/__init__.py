"""Pictures of quality and of probabilities, drawn from plain records: as files with matplotlib, and as text."""
