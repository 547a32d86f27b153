"""The suite's fixtures that only MCP can say, as native tools."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import mcp.types as t
from mcp.server.context import HandlerResult
from mcp.server.subscriptions import PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from sametask.agents import Skill
from sametask.protocols.mcp.natives import Context, NativeTool
from sametask.protocols.mcp.server import McpServer
from sametask.protocols.mcp.tasks import TasksExtension

NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
MODERN = "2026-07-28"
KEY = b"a key of this fixture's own"


def png() -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    whole = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + whole).decode()


def wav() -> str:
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 38, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 2)
    return base64.b64encode(head + b"\0\0").decode()


IMAGE = t.ImageContent(type="image", data=png(), mime_type="image/png")


def text(words: str) -> t.TextContent:
    return t.TextContent(type="text", text=words)


def said(*content: t.ContentBlock) -> t.CallToolResult:
    return t.CallToolResult(content=list(content))


def resource(uri: str, media_type: str, words: str) -> t.EmbeddedResource:
    held = t.TextResourceContents(uri=uri, mime_type=media_type, text=words)
    return t.EmbeddedResource(type="resource", resource=held)


def still(*content: t.ContentBlock) -> Callable[..., Awaitable[HandlerResult]]:
    async def call(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
        return said(*content)

    return call


async def greet(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    return said(text(f"Hello, {(params.arguments or {}).get('name', 'world')}!"))


async def with_logging(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
        await anyio.sleep(0.05)
    return said(text("It was executed."))


async def with_progress(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(0.05)
    return said(text("It was executed."))


async def failing(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    return t.CallToolResult(content=[text("This tool intentionally returns an error for testing")], is_error=True)


def sampling_request(words: str, max_tokens: int) -> t.CreateMessageRequest:
    message = t.SamplingMessage(role="user", content=text(words))
    return t.CreateMessageRequest(params=t.CreateMessageRequestParams(messages=[message], max_tokens=max_tokens))


async def sampling(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    asked = sampling_request((params.arguments or {}).get("prompt", ""), 100).params
    answer = await ctx.session.create_message(asked.messages, max_tokens=100, related_request_id=ctx.request_id)
    return said(text(f"LLM response: {words_of(answer)}"))


def words_of(answer: Any) -> str:
    content = answer.content[0] if isinstance(answer.content, list) else answer.content
    return content.text if isinstance(content, t.TextContent) else "?"


def asks(message: str | None, schema: dict[str, Any], words: str) -> Callable[..., Awaitable[HandlerResult]]:
    async def call(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
        asked = message or (params.arguments or {}).get("message", "")
        answer = await ctx.session.elicit_form(asked, schema, ctx.request_id)
        return said(text(f"{words}: action={answer.action}, content={json.dumps(answer.content)}"))

    return call


async def reconnection(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    if ctx.close_sse_stream is not None:
        await ctx.close_sse_stream()
        await anyio.sleep(0.1)
    return said(text("Reconnection test completed successfully."))


async def needs_sampling(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    if not ctx.session.check_client_capability(t.ClientCapabilities(sampling=t.SamplingCapability())):
        data = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(t.MISSING_REQUIRED_CLIENT_CAPABILITY, "the client does not declare sampling", data)
    return said(text("The client declares sampling."))


async def streaming_elicitation(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    await ctx.session.report_progress(0, 1)
    return required({"ok": form("Go on?", {"ok": {"type": "boolean"}})}, "streaming")


# What 2026-07-28 asks: an answer that is a question, and the call again with the response.


def form(message: str, properties: dict[str, Any]) -> t.ElicitRequest:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return t.ElicitRequest(params=t.ElicitRequestFormParams(message=message, requested_schema=schema))


NAME = form("What is your name?", {"name": {"type": "string"}})
ROOTS = t.ListRootsRequest()


def required(requests: dict[str, Any], state: str | None = None) -> t.InputRequiredResult:
    return t.InputRequiredResult(input_requests=requests, request_state=None if state is None else signed(state))


def signed(state: str) -> str:
    return f"{state}.{hmac.new(KEY, state.encode(), hashlib.sha256).hexdigest()}"


def state_of(params: Any) -> str:
    """Raises: MCPError where the state is not one of ours."""
    state = (params.request_state or "").rpartition(".")[0]
    if not hmac.compare_digest(signed(state), params.request_state or ""):
        raise MCPError(t.INVALID_PARAMS, "requestState: it is not one that this server has given")
    return state


def content_of(params: Any, key: str, field: str) -> Any:
    """What a form was filled with, None where it was not."""
    response = (params.input_responses or {}).get(key)
    if not isinstance(response, t.ElicitResult) or response.action != "accept":
        return None
    return (response.content or {}).get(field)


async def mrtr_elicitation(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    name = content_of(params, "user_name", "name")
    return said(text(f"Hello, {name}!")) if isinstance(name, str) else required({"user_name": NAME})


async def mrtr_sampling(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    answer = (params.input_responses or {}).get("capital_question")
    if not isinstance(answer, t.CreateMessageResult | t.CreateMessageResultWithTools):
        return required({"capital_question": sampling_request("What is the capital of France?", 100)})
    return said(text(words_of(answer)))


async def mrtr_roots(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    answer = (params.input_responses or {}).get("client_roots")
    if not isinstance(answer, t.ListRootsResult):
        return required({"client_roots": ROOTS})
    return said(text("Roots: " + ", ".join(str(root.uri) for root in answer.roots)))


async def mrtr_state(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    if content_of(params, "confirm", "ok") is None:
        return required({"confirm": form("Please confirm", {"ok": {"type": "boolean"}})}, "confirm")
    return said(text(f"state-ok: {state_of(params)}"))


async def mrtr_multiple(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    asked = {"user_name": NAME, "greeting": sampling_request("Generate a greeting", 50), "client_roots": ROOTS}
    if asked.keys() - (params.input_responses or {}).keys():
        return required(asked, "multiple")
    state_of(params)
    return said(text(f"Thank you, {content_of(params, 'user_name', 'name')}."))


async def mrtr_rounds(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    if not params.request_state:
        return required({"step1": form("Step 1: What is your name?", {"name": {"type": "string"}})}, "round-1")
    if state_of(params) == "round-1":
        colour = form("Step 2: What is your favorite color?", {"color": {"type": "string"}})
        return required({"step2": colour}, f"round-2:{content_of(params, 'step1', 'name')}")
    return said(text(f"{state_of(params).partition(':')[2]} likes {content_of(params, 'step2', 'color')}."))


async def mrtr_tampered(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    if not params.request_state:
        return required({"confirm": form("Please confirm", {"ok": {"type": "boolean"}})}, "tampered")
    return said(text(f"state-ok: {state_of(params)}"))


async def mrtr_capabilities(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
    asked: dict[str, Any] = {}
    if ctx.session.check_client_capability(t.ClientCapabilities(elicitation=t.ElicitationCapability())):
        asked["user_name"] = NAME
    if ctx.session.check_client_capability(t.ClientCapabilities(sampling=t.SamplingCapability())):
        asked["greeting"] = sampling_request("Generate a greeting", 50)
    if asked.keys() - (params.input_responses or {}).keys():
        return required(asked)
    return said(text("The client can do all that was asked."))


def escalating(welcome: Skill) -> Callable[..., Awaitable[HandlerResult]]:
    async def call(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
        """Asks first, and only then makes a task."""
        name = content_of(params, "user_name", "name") or content_of(params, "user_name", "user_name")
        if name is None:
            return required({"user_name": NAME}, "welcome")
        return await tasks.begin(ctx, welcome, welcome.parse({"name": name}))

    return call


DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
THREE = ["option1", "option2", "option3"]
TITLED = [
    {"const": f"value{n}", "title": title} for n, title in enumerate(("First Option", "Second Option", "Third Option"), 1)
]
ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": THREE},
        "titledSingle": {"type": "string", "oneOf": TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": THREE}},
        "titledMulti": {"type": "array", "items": {"anyOf": TITLED}},
    },
}
USER = {
    "type": "object",
    "properties": {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "required": ["username", "email"],
}
SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
HEADER = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}, "required": ["region"]}
MIXED = resource("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')


def one(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


def native_tools(welcome: Skill, changed: Callable[[], McpServer]) -> list[NativeTool]:
    """Every fixture that is not a task. `changed` gives the server whose lists are said to have changed."""

    def publishes(event: Any) -> Callable[..., Awaitable[HandlerResult]]:
        async def call(ctx: Context, params: t.CallToolRequestParams, tasks: TasksExtension) -> HandlerResult:
            await changed().bus.publish(event)
            return said(text("It has changed."))

        return call

    embedded = resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    simple = text("This is a simple text response for testing.")
    region = text("The region was said in a header.")
    calls: dict[str, tuple[dict[str, Any], Any]] = {
        "greet": (one("name"), greet),
        "test_simple_text": (NOTHING, still(simple)),
        "test_image_content": (NOTHING, still(IMAGE)),
        "test_audio_content": (NOTHING, still(t.AudioContent(type="audio", data=wav(), mime_type="audio/wav"))),
        "test_embedded_resource": (NOTHING, still(embedded)),
        "test_multiple_content_types": (NOTHING, still(text("Multiple content types test:"), IMAGE, MIXED)),
        "test_tool_with_logging": (NOTHING, with_logging),
        "test_logging_tool": (NOTHING, with_logging),
        "test_error_handling": (NOTHING, failing),
        "test_tool_with_progress": (NOTHING, with_progress),
        "test_sampling": (one("prompt"), sampling),
        "test_elicitation": (one("message"), asks(None, USER, "User response")),
        "test_elicitation_sep1034_defaults": (NOTHING, asks("Please fill in", DEFAULTS, "Elicitation completed")),
        "test_elicitation_sep1330_enums": (NOTHING, asks("Please choose", ENUMS, "Elicitation completed")),
        "test_reconnection": (NOTHING, reconnection),
        "test_missing_capability": (NOTHING, needs_sampling),
        "test_streaming_elicitation": (NOTHING, streaming_elicitation),
        "json_schema_2020_12_tool": (SCHEMA_2020_12, still(text("It fits."))),
        "test_x_mcp_header": (HEADER, still(region)),
        "test_trigger_tool_change": (NOTHING, publishes(ToolsListChanged())),
        "test_trigger_prompt_change": (NOTHING, publishes(PromptsListChanged())),
        "test_input_required_result_elicitation": (NOTHING, mrtr_elicitation),
        "test_input_required_result_sampling": (NOTHING, mrtr_sampling),
        "test_input_required_result_list_roots": (NOTHING, mrtr_roots),
        "test_input_required_result_request_state": (NOTHING, mrtr_state),
        "test_input_required_result_multiple_inputs": (NOTHING, mrtr_multiple),
        "test_input_required_result_multi_round": (NOTHING, mrtr_rounds),
        "test_input_required_result_tampered_state": (NOTHING, mrtr_tampered),
        "test_input_required_result_capabilities": (NOTHING, mrtr_capabilities),
    }
    tools = [
        NativeTool(t.Tool(name=name, description=f"The suite's fixture {name}.", input_schema=schema), call)
        for name, (schema, call) in calls.items()
    ]
    asking = t.Tool(name="test_tool_with_task", description="Asks, and then makes a task.", input_schema=NOTHING)
    return [*tools, NativeTool(asking, escalating(welcome), needs_tasks=True)]
