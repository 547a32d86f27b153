"""The suite's fixture server: our adapter, with the fixtures as what it serves."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import mcp.types as t
from sametask.agents import Roster, TaskEngine
from sametask.agents.runtime import open_engine
from sametask.protocols.mcp.extras import ExtraResource
from sametask.protocols.mcp.natives import Context
from sametask.protocols.mcp.server import McpServer, build_server, serve_server_http
from sametask.protocols.variants import Bind

from . import fixture_agents
from .fixture_tools import IMAGE, content_of, form, native_tools, png, required, resource, text


def build(engine: TaskEngine, broken: Mapping[str, Any]) -> McpServer:
    """`broken` answers the calls of some native tools instead. Raises: ValueError when two tools would have one name."""
    built: list[McpServer] = []
    welcome = engine.roster.skill("conformance", "welcome")
    server = build_server(
        engine,
        name="conformance-fixture",
        native_tools=[
            replace(tool, call=broken.get(tool.tool.name, tool.call)) for tool in native_tools(welcome, lambda: built[0])
        ],
        extra_resources=resources(),
        named=lambda skill: skill.name,
        needs_tasks=["failing_job"],
        lists_change=True,
    )
    built.append(server)
    add_prompts(server)
    add_session_methods(server)
    return server


@asynccontextmanager
async def serving(broken: Mapping[str, Any] | None = None) -> AsyncGenerator[str]:
    """The url of the fixture server."""
    async with (
        open_engine("sqlite:///:memory:", Roster([fixture_agents.agent])) as engine,
        serve_server_http(build(engine, broken or {}), Bind()) as endpoint,
    ):
        yield endpoint.url


def resources() -> list[ExtraResource]:
    async def static(values: Mapping[str, str]) -> str:
        return "This is the content of the static text resource."

    async def binary(values: Mapping[str, str]) -> bytes:
        return base64.b64decode(png())

    async def template(values: Mapping[str, str]) -> str:
        return f'{{"id":"{values["id"]}","templateTest":true,"data":"Data for ID: {values["id"]}"}}'

    async def watched(values: Mapping[str, str]) -> str:
        return "It is watched."

    return [
        ExtraResource("test://static-text", "static-text", "A text.", static, "text/plain"),
        ExtraResource("test://static-binary", "static-binary", "A picture.", binary, "image/png"),
        ExtraResource("test://template/{id}/data", "template", "Data by id.", template),
        ExtraResource("test://watched-resource", "watched-resource", "It changes.", watched, "text/plain"),
    ]


def argument(name: str) -> t.PromptArgument:
    return t.PromptArgument(name=name, description=f"The {name}.", required=True)


PROMPTS = [
    t.Prompt(name="test_simple_prompt", description="A text."),
    t.Prompt(name="test_prompt_with_arguments", description="Two words.", arguments=[argument("arg1"), argument("arg2")]),
    t.Prompt(name="test_prompt_with_embedded_resource", description="A resource.", arguments=[argument("resourceUri")]),
    t.Prompt(name="test_prompt_with_image", description="A picture."),
    t.Prompt(name="test_input_required_result_prompt", description="Asks first."),
]


def add_prompts(built: McpServer) -> None:
    async def list_prompts(ctx: Context, params: Any) -> t.ListPromptsResult:
        return t.ListPromptsResult(prompts=PROMPTS)

    async def get_prompt(ctx: Context, params: t.GetPromptRequestParams) -> Any:
        given = params.arguments or {}
        match params.name:
            case "test_simple_prompt":
                content: list[t.ContentBlock] = [text("This is a simple prompt for testing.")]
            case "test_prompt_with_arguments":
                content = [text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")]
            case "test_prompt_with_embedded_resource":
                embedded = resource(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
                content = [embedded, text("Please process the embedded resource above.")]
            case "test_prompt_with_image":
                content = [IMAGE, text("Please analyze the image above.")]
            case _:
                context = content_of(params, "user_context", "context")
                if context is None:
                    asked = form("What context should the prompt use?", {"context": {"type": "string"}})
                    return required({"user_context": asked})
                content = [text(f"In the context of {context}.")]
        return t.GetPromptResult(messages=[t.PromptMessage(role="user", content=block) for block in content])

    built.server.add_request_handler("prompts/list", t.PaginatedRequestParams, list_prompts)
    built.server.add_request_handler("prompts/get", t.GetPromptRequestParams, get_prompt)


def add_session_methods(built: McpServer) -> None:
    """What 2025-11-25 has beside: log levels, subscriptions of a session, completions."""

    async def nothing(ctx: Context, params: Any) -> t.EmptyResult:
        return t.EmptyResult()

    async def complete(ctx: Context, params: t.CompleteRequestParams) -> t.CompleteResult:
        words = [word for word in ("paris", "park", "party", "london") if word.startswith(params.argument.value)]
        return t.CompleteResult(completion=t.Completion(values=words, total=len(words), has_more=False))

    built.server.add_request_handler("logging/setLevel", t.SetLevelRequestParams, nothing)
    built.server.add_request_handler("resources/subscribe", t.SubscribeRequestParams, nothing)
    built.server.add_request_handler("resources/unsubscribe", t.UnsubscribeRequestParams, nothing)
    built.server.add_request_handler("completion/complete", t.CompleteRequestParams, complete)


if __name__ == "__main__":
    import asyncio

    async def main() -> None:
        async with serving() as url:
            print(url, flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
