"""The contract we were written against: A2A's own proto, and what it requires of a request."""

from __future__ import annotations

import hashlib

import pytest
from a2a.types import (
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    a2a_pb2,
)
from a2a.utils.errors import InvalidParamsError
from a2a.utils.proto_utils import validate_proto_required_fields
from google.protobuf import descriptor_pb2
from google.protobuf.message import Message as ProtoMessage
from sametask.agents.errors import BY_CODE
from sametask.protocols.a2a.errors import NEAREST
from sametask.protocols.a2a.required import check_required

A2A_1_0 = "f46cee888f004f1a"


def without_options(message: ProtoMessage) -> None:
    for field, value in message.ListFields():
        if field.name == "options":
            message.ClearField("options")
        elif field.message_type is not None:
            for inner in value if field.is_repeated else [value]:
                without_options(inner)


def test_the_sdk_still_speaks_the_contract_that_we_were_written_against():
    """A new digest means that messages, fields or operations have changed: read the difference before taking it over."""
    file = descriptor_pb2.FileDescriptorProto()
    a2a_pb2.DESCRIPTOR.CopyToProto(file)
    file.ClearField("source_code_info")
    without_options(file)
    assert file.package == "lf.a2a.v1"
    assert hashlib.sha256(file.SerializeToString(deterministic=True)).hexdigest()[:16] == A2A_1_0


COMPLETE = Message(message_id="m", role=Role.ROLE_USER, parts=[Part(text="x")])
REQUESTS = {
    "empty send": SendMessageRequest(),
    "empty message": SendMessageRequest(message=Message()),
    "no parts": SendMessageRequest(message=Message(message_id="m", role=Role.ROLE_USER)),
    "no role": SendMessageRequest(message=Message(message_id="m", parts=[Part()])),
    "complete": SendMessageRequest(message=COMPLETE),
    "push without url": SendMessageRequest(
        message=COMPLETE,
        configuration=SendMessageConfiguration(task_push_notification_config=TaskPushNotificationConfig(task_id="t")),
    ),
    "get": GetTaskRequest(),
    "get it": GetTaskRequest(id="t"),
    "list": ListTasksRequest(),
    "cancel": CancelTaskRequest(),
    "subscribe": SubscribeToTaskRequest(),
}


def missing(check, request: ProtoMessage) -> list[str]:
    try:
        check(request)
    except InvalidParamsError as error:
        return sorted(entry["field"] for entry in (error.data or {})["errors"])
    return []


@pytest.mark.parametrize("name", REQUESTS)
def test_our_check_misses_what_the_sdks_misses(name):
    assert missing(check_required, REQUESTS[name]) == missing(validate_proto_required_fields, REQUESTS[name])


def test_a_missing_field_is_named_in_one_line():
    with pytest.raises(InvalidParamsError, match=r"^message\.message_id: field required \(and 2 more\)$"):
        check_required(SendMessageRequest(message=Message()))


def test_every_error_of_ours_has_an_a2a_class():
    assert set(NEAREST) == set(BY_CODE)
