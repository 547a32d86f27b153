# pyright: reportUnusedImport=false, reportMissingTypeStubs=false, reportInvalidTypeForm=false
from . import tasks_pb2 as _tasks_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Policy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    POLICY_UNSPECIFIED: _ClassVar[Policy]
    POLICY_PREDICTIVE: _ClassVar[Policy]
    POLICY_CASCADE: _ClassVar[Policy]
POLICY_UNSPECIFIED: Policy
POLICY_PREDICTIVE: Policy
POLICY_CASCADE: Policy

class Query(_message.Message):
    __slots__ = ("id", "difficulty", "input_tokens", "output_tokens")
    ID_FIELD_NUMBER: _ClassVar[int]
    DIFFICULTY_FIELD_NUMBER: _ClassVar[int]
    INPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    id: str
    difficulty: float
    input_tokens: int
    output_tokens: int
    def __init__(self, id: _Optional[str] = ..., difficulty: _Optional[float] = ..., input_tokens: _Optional[int] = ..., output_tokens: _Optional[int] = ...) -> None: ...

class CandidateModel(_message.Message):
    __slots__ = ("name", "input_price", "output_price", "easiest_quality", "hardest_quality", "first_token_ms", "ms_per_output_token")
    NAME_FIELD_NUMBER: _ClassVar[int]
    INPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_PRICE_FIELD_NUMBER: _ClassVar[int]
    EASIEST_QUALITY_FIELD_NUMBER: _ClassVar[int]
    HARDEST_QUALITY_FIELD_NUMBER: _ClassVar[int]
    FIRST_TOKEN_MS_FIELD_NUMBER: _ClassVar[int]
    MS_PER_OUTPUT_TOKEN_FIELD_NUMBER: _ClassVar[int]
    name: str
    input_price: float
    output_price: float
    easiest_quality: float
    hardest_quality: float
    first_token_ms: float
    ms_per_output_token: float
    def __init__(self, name: _Optional[str] = ..., input_price: _Optional[float] = ..., output_price: _Optional[float] = ..., easiest_quality: _Optional[float] = ..., hardest_quality: _Optional[float] = ..., first_token_ms: _Optional[float] = ..., ms_per_output_token: _Optional[float] = ...) -> None: ...

class RouteRequest(_message.Message):
    __slots__ = ("queries", "weak", "strong", "threshold", "policy")
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    WEAK_FIELD_NUMBER: _ClassVar[int]
    STRONG_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    weak: CandidateModel
    strong: CandidateModel
    threshold: float
    policy: Policy
    def __init__(self, queries: _Optional[_Iterable[_Union[Query, _Mapping[str, object]]]] = ..., weak: _Optional[_Union[CandidateModel, _Mapping[str, object]]] = ..., strong: _Optional[_Union[CandidateModel, _Mapping[str, object]]] = ..., threshold: _Optional[float] = ..., policy: _Optional[_Union[Policy, str]] = ...) -> None: ...

class Assignment(_message.Message):
    __slots__ = ("query_id", "model", "cost", "expected_quality", "latency_ms")
    QUERY_ID_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    query_id: str
    model: str
    cost: float
    expected_quality: float
    latency_ms: float
    def __init__(self, query_id: _Optional[str] = ..., model: _Optional[str] = ..., cost: _Optional[float] = ..., expected_quality: _Optional[float] = ..., latency_ms: _Optional[float] = ...) -> None: ...

class RoutePlan(_message.Message):
    __slots__ = ("assignments", "cost", "expected_quality", "mean_latency_ms", "max_latency_ms", "strong_share", "cost_saving")
    ASSIGNMENTS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MEAN_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    STRONG_SHARE_FIELD_NUMBER: _ClassVar[int]
    COST_SAVING_FIELD_NUMBER: _ClassVar[int]
    assignments: _containers.RepeatedCompositeFieldContainer[Assignment]
    cost: float
    expected_quality: float
    mean_latency_ms: float
    max_latency_ms: float
    strong_share: float
    cost_saving: float
    def __init__(self, assignments: _Optional[_Iterable[_Union[Assignment, _Mapping[str, object]]]] = ..., cost: _Optional[float] = ..., expected_quality: _Optional[float] = ..., mean_latency_ms: _Optional[float] = ..., max_latency_ms: _Optional[float] = ..., strong_share: _Optional[float] = ..., cost_saving: _Optional[float] = ...) -> None: ...

class SyntheticQueries(_message.Message):
    __slots__ = ("seed", "query_count")
    SEED_FIELD_NUMBER: _ClassVar[int]
    QUERY_COUNT_FIELD_NUMBER: _ClassVar[int]
    seed: int
    query_count: int
    def __init__(self, seed: _Optional[int] = ..., query_count: _Optional[int] = ...) -> None: ...

class TuneRequest(_message.Message):
    __slots__ = ("queries", "synthetic", "weak", "strong", "policy", "thresholds", "min_quality", "max_cost")
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    SYNTHETIC_FIELD_NUMBER: _ClassVar[int]
    WEAK_FIELD_NUMBER: _ClassVar[int]
    STRONG_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    THRESHOLDS_FIELD_NUMBER: _ClassVar[int]
    MIN_QUALITY_FIELD_NUMBER: _ClassVar[int]
    MAX_COST_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[Query]
    synthetic: SyntheticQueries
    weak: CandidateModel
    strong: CandidateModel
    policy: Policy
    thresholds: int
    min_quality: float
    max_cost: float
    def __init__(self, queries: _Optional[_Iterable[_Union[Query, _Mapping[str, object]]]] = ..., synthetic: _Optional[_Union[SyntheticQueries, _Mapping[str, object]]] = ..., weak: _Optional[_Union[CandidateModel, _Mapping[str, object]]] = ..., strong: _Optional[_Union[CandidateModel, _Mapping[str, object]]] = ..., policy: _Optional[_Union[Policy, str]] = ..., thresholds: _Optional[int] = ..., min_quality: _Optional[float] = ..., max_cost: _Optional[float] = ...) -> None: ...

class FrontierPoint(_message.Message):
    __slots__ = ("threshold", "cost", "quality", "mean_latency_ms", "strong_share")
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    MEAN_LATENCY_MS_FIELD_NUMBER: _ClassVar[int]
    STRONG_SHARE_FIELD_NUMBER: _ClassVar[int]
    threshold: float
    cost: float
    quality: float
    mean_latency_ms: float
    strong_share: float
    def __init__(self, threshold: _Optional[float] = ..., cost: _Optional[float] = ..., quality: _Optional[float] = ..., mean_latency_ms: _Optional[float] = ..., strong_share: _Optional[float] = ...) -> None: ...

class Tuned(_message.Message):
    __slots__ = ("frontier", "tried", "chosen", "reason")
    FRONTIER_FIELD_NUMBER: _ClassVar[int]
    TRIED_FIELD_NUMBER: _ClassVar[int]
    CHOSEN_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    frontier: _containers.RepeatedCompositeFieldContainer[FrontierPoint]
    tried: int
    chosen: FrontierPoint
    reason: str
    def __init__(self, frontier: _Optional[_Iterable[_Union[FrontierPoint, _Mapping[str, object]]]] = ..., tried: _Optional[int] = ..., chosen: _Optional[_Union[FrontierPoint, _Mapping[str, object]]] = ..., reason: _Optional[str] = ...) -> None: ...
