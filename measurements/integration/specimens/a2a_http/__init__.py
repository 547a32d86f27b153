"""A2A over its HTTP+JSON binding with the official SDK's client, and pydantic models by hand."""

VARIANT = "a2a-http"
LABEL = "a2a-http"
