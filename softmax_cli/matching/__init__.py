"""The same rows in several inputs: found by id, by source, or by position, whatever the batches and the order."""
