"""REST as it is written without a generator: httpx, and pydantic models by hand."""

VARIANT = "rest"
LABEL = "rest"
