# pyright: reportUnusedImport=false, reportMissingTypeStubs=false, reportInvalidTypeForm=false
from . import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EchoRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class EchoReply(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class WorkRequest(_message.Message):
    __slots__ = ("steps", "step_ms", "ask", "ledger", "payload_bytes", "marks", "silent_ms")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    STEP_MS_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    LEDGER_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    MARKS_FIELD_NUMBER: _ClassVar[int]
    SILENT_MS_FIELD_NUMBER: _ClassVar[int]
    steps: int
    step_ms: int
    ask: bool
    ledger: str
    payload_bytes: int
    marks: int
    silent_ms: int
    def __init__(self, steps: _Optional[int] = ..., step_ms: _Optional[int] = ..., ask: _Optional[bool] = ..., ledger: _Optional[str] = ..., payload_bytes: _Optional[int] = ..., marks: _Optional[int] = ..., silent_ms: _Optional[int] = ...) -> None: ...

class WorkReport(_message.Message):
    __slots__ = ("steps", "executed", "answer")
    STEPS_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    steps: int
    executed: int
    answer: str
    def __init__(self, steps: _Optional[int] = ..., executed: _Optional[int] = ..., answer: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("choice",)
    class Choice(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CHOICE_UNSPECIFIED: _ClassVar[Decision.Choice]
        CHOICE_CONTINUE: _ClassVar[Decision.Choice]
        CHOICE_STOP: _ClassVar[Decision.Choice]
    CHOICE_UNSPECIFIED: Decision.Choice
    CHOICE_CONTINUE: Decision.Choice
    CHOICE_STOP: Decision.Choice
    CHOICE_FIELD_NUMBER: _ClassVar[int]
    choice: Decision.Choice
    def __init__(self, choice: _Optional[_Union[Decision.Choice, str]] = ...) -> None: ...
