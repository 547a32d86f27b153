from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    task_id: str,
    *,
    after: int | Unset = 0,
    last_event_id: str | Unset = "",
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(last_event_id, Unset):
        headers["Last-Event-ID"] = last_event_id

    params: dict[str, Any] = {}

    params["after"] = after

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/tasks/{task_id}/events".format(
            task_id=quote(str(task_id), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Problem:
    if response.status_code == 200:
        response_200 = cast(Any, None)
        return response_200

    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Any | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    task_id: str,
    *,
    client: AuthenticatedClient | Client,
    after: int | Unset = 0,
    last_event_id: str | Unset = "",
) -> Response[Any | Problem]:
    """Follow Task

     The events of a task, those stored and those to come. The stream ends after the terminal event, and
    after a
    question that waits for its answer; it resumes after `Last-Event-ID`.

    Args:
        task_id (str): The id of a task, as its submission gave it
        after (int | Unset): Only events with a sequence number above this one Default: 0.
        last_event_id (str | Unset): As `after`, and stronger Default: ''.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        task_id=task_id,
        after=after,
        last_event_id=last_event_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    task_id: str,
    *,
    client: AuthenticatedClient | Client,
    after: int | Unset = 0,
    last_event_id: str | Unset = "",
) -> Any | Problem | None:
    """Follow Task

     The events of a task, those stored and those to come. The stream ends after the terminal event, and
    after a
    question that waits for its answer; it resumes after `Last-Event-ID`.

    Args:
        task_id (str): The id of a task, as its submission gave it
        after (int | Unset): Only events with a sequence number above this one Default: 0.
        last_event_id (str | Unset): As `after`, and stronger Default: ''.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return sync_detailed(
        task_id=task_id,
        client=client,
        after=after,
        last_event_id=last_event_id,
    ).parsed


async def asyncio_detailed(
    task_id: str,
    *,
    client: AuthenticatedClient | Client,
    after: int | Unset = 0,
    last_event_id: str | Unset = "",
) -> Response[Any | Problem]:
    """Follow Task

     The events of a task, those stored and those to come. The stream ends after the terminal event, and
    after a
    question that waits for its answer; it resumes after `Last-Event-ID`.

    Args:
        task_id (str): The id of a task, as its submission gave it
        after (int | Unset): Only events with a sequence number above this one Default: 0.
        last_event_id (str | Unset): As `after`, and stronger Default: ''.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        task_id=task_id,
        after=after,
        last_event_id=last_event_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    task_id: str,
    *,
    client: AuthenticatedClient | Client,
    after: int | Unset = 0,
    last_event_id: str | Unset = "",
) -> Any | Problem | None:
    """Follow Task

     The events of a task, those stored and those to come. The stream ends after the terminal event, and
    after a
    question that waits for its answer; it resumes after `Last-Event-ID`.

    Args:
        task_id (str): The id of a task, as its submission gave it
        after (int | Unset): Only events with a sequence number above this one Default: 0.
        last_event_id (str | Unset): As `after`, and stronger Default: ''.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return (
        await asyncio_detailed(
            task_id=task_id,
            client=client,
            after=after,
            last_event_id=last_event_id,
        )
    ).parsed
