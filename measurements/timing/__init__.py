"""Timing: benchmarks of our servers against the usual ones, run by hand and never by a test."""
