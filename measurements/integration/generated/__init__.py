"""Generated code, by `python -m sametask.measurements.integration.generate`. Not to be edited."""
