"""Models of the agents' inputs and outputs, written by hand from their documentation, for protocols without generated ones."""
