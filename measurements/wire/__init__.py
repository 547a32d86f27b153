"""The wire tap: a relay between client and server that belongs to us, which decodes, counts, delays and breaks."""
