"""REST with the client that openapi-python-client generates from the server's OpenAPI document."""

VARIANT = "rest"
LABEL = "rest-openapi"
