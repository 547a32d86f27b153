"""Measuring on several machines: rounds of a metric's blocks as durable tasks, which any worker on the same engine takes."""
