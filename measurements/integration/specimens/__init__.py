"""The specimens: the smallest idiomatic code that reaches a guarantee, one folder per protocol and way of writing it.

The rule for guarantee G1 (a typed call), the same for all of them, on the consumer's side:

- The caller passes typed values and gets a typed value, every field of which a type checker knows. All fields of the skill's
  input and output are there, those that the call at hand leaves out as well. Bounds are the server's to check.
- The usual library of the protocol, as its own documentation uses it; nothing of ours but what a generator wrote. A protocol
  whose usual tools generate types (OpenAPI, gRPC) uses the generated ones. Where they do not (REST without a document, MCP,
  A2A) the models are written by hand with pydantic, and all such specimens share one copy, `handwritten/`, so that
  none is written better than another; it is counted in full for each specimen that imports it. MCP's tools/list does carry
  JSON schemas, from which a third-party generator could write models; the SDK does not, so neither do we.
- An address is what that protocol's users have: a base URL (REST), an endpoint URL (MCP over HTTP), a command line (MCP over
  stdio), the URL of an agent card (A2A), host:port (gRPC). It is the one thing passed in.
- A call that fails raises. Nothing is retried, cached or logged: those are other guarantees.
- `connection.py` is paid once: `connect(*address)` gives, or awaits to, the library's own client, which the caller enters
  with `async with`. `<agent>.py` is paid for each agent, with what it imports from `handwritten/`: `main(client)` makes the
  call and returns the typed result. Making it comparable is the harness's work and is not counted.
- Formatted by ruff. Docstrings, comments and layout are not counted.

What this does not compare: an LLM host that hands a tool's JSON through to a model needs no types and no code per agent.

Each folder's `VARIANT` is the variant whose server it is run against, `LABEL` its name in the report.
"""
