"""The checked-in stubs are what protoc makes of the sources, and the sources say what the agents' models say."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import types
from itertools import pairwise
from typing import Annotated, Any, Literal, get_args, get_origin

import pytest
import sametask.measurements.probe as probe
import sametask.proto
from google.protobuf.descriptor import FieldDescriptor
from pydantic import BaseModel
from sametask.agents import Roster
from sametask.agents.team import team
from sametask.proto.compiling import HERE, CompileError, compile_into, sources
from sametask.protocols.grpc.codec import Codec
from sametask.protocols.grpc.discovery import schema
from sametask.protocols.grpc.services import agent_service, camel, message_class, snake

ROSTER = Roster([*team().values(), probe.agent])

SCALARS = {
    int: {FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64},
    float: {FieldDescriptor.TYPE_DOUBLE},
    str: {FieldDescriptor.TYPE_STRING},
    bool: {FieldDescriptor.TYPE_BOOL},
}


def test_the_stubs_are_those_of_the_sources(tmp_path):
    made = {path.name: path.read_bytes() for path in compile_into(tmp_path)}
    there = {path.name: path.read_bytes() for path in HERE.glob("*_pb2*.py*")}
    assert set(there) == set(made) == {f"{s.stem}_pb2{kind}" for s in sources() for kind in (".py", ".pyi", "_grpc.py")}
    stale = [name for name in made if made[name] != there[name]]
    assert stale == [], "run `python -m sametask.proto`"


def test_a_changed_source_gives_other_stubs(tmp_path, monkeypatch):
    for source in sources():
        text = source.read_text().replace("int64 layers = 1", "int64 layer_count = 1")
        (tmp_path / source.name).write_text(text)
    monkeypatch.setattr(sametask.proto.compiling, "HERE", tmp_path)
    (tmp_path / "out").mkdir()
    changed = [p.name for p in compile_into(tmp_path / "out") if p.read_bytes() != (HERE / p.name).read_bytes()]
    assert changed == ["prefix_cache_pb2.py", "prefix_cache_pb2.pyi"]


def test_a_source_that_does_not_compile_is_refused(tmp_path, monkeypatch, capfd):
    (tmp_path / "broken.proto").write_text('syntax = "proto3"; message M { int64 x = 1; int64 y = 1; }')
    monkeypatch.setattr(sametask.proto.compiling, "HERE", tmp_path)
    with pytest.raises(CompileError):
        compile_into(tmp_path)
    assert "broken.proto:1:" in capfd.readouterr().err


def test_the_module_compiles_again_and_names_what_it_wrote():
    before = {path: path.read_bytes() for path in HERE.glob("*_pb2*")}
    done = subprocess.run([sys.executable, "-m", "sametask.proto"], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {str(path.relative_to(HERE.parent)) for path in before}
    assert {path: path.read_bytes() for path in HERE.glob("*_pb2*")} == before


@pytest.mark.parametrize("agent", ROSTER)
def test_a_service_says_of_its_agent_what_the_agent_says(agent):
    service = agent_service(agent)
    assert service is not None
    assert service.full_name == f"sametask.{agent}.v{ROSTER[agent].version}.{camel(agent)}"
    assert {name: skill.long for name, skill in service.skills.items()} == {
        name: skill.long for name, skill in ROSTER[agent].skills.items()
    }


@pytest.mark.parametrize("agent", ROSTER)
def test_the_messages_agree_with_the_models(agent):
    service = agent_service(agent)
    assert service is not None
    seen: set[str] = set()
    for name, skill in ROSTER[agent].skills.items():
        compiled = service.skills[name]
        _compare(compiled.call.request.DESCRIPTOR, skill.input, seen, given=True)
        assert compiled.start is None or compiled.start.request is compiled.call.request
        _compare(compiled.result, skill.output, seen, given=False)
    # What is not the input or the output of a skill is an answer to a question.
    models = inspect.getmodule(next(iter(ROSTER[agent].skills.values())).input)
    messages = _file_of(service).message_types_by_name
    for name in set(messages) - seen:
        _compare(messages[name], getattr(models, name), seen, given=True)
    own = {
        n
        for n, m in vars(models).items()
        if inspect.isclass(m) and issubclass(m, BaseModel) and m.__module__ == models.__name__
    }
    assert set(messages) == own


@pytest.mark.parametrize("agent", ROSTER)
def test_an_artifact_type_is_a_message_of_the_agent(agent):
    for skill in agent_service(agent).skills.values():
        assert all(data.file is skill.result.file for data in skill.artifacts.values())


@pytest.mark.parametrize("agent", ROSTER)
def test_every_field_that_a_model_describes_has_a_comment(agent):
    lines = (HERE / f"{agent}.proto").read_text().splitlines()
    field = re.compile(r"  (optional |repeated )?[\w.]+ \w+ = \d+;")
    bare = [line for before, line in pairwise(lines) if field.fullmatch(line) and not before.strip().startswith("//")]
    assert bare == []
    assert sum(map(bool, map(field.fullmatch, lines))) >= 8


def _file_of(service: Any) -> Any:
    return next(iter(service.skills.values())).result.file


def _compare(message: Any, model: type[BaseModel], seen: set[str], *, given: bool) -> None:
    """Same name, same fields in the same order, same types, choices and presence, all the way down. In what a caller gives,
    every scalar has presence, so that one left out is told from zero; in what is answered, those that may be null.
    """
    where = model.__name__
    assert message.name == where
    if where in seen:
        return
    seen.add(where)
    assert [field.name for field in message.fields] == list(model.model_fields), where
    for field in message.fields:
        spot = f"{where}.{field.name}"
        types_, nullable, repeated = _unwrap(model.model_fields[field.name].annotation)
        assert field.is_repeated is repeated, spot
        if get_origin(types_) is Literal:
            names = [value.name for value in field.enum_type.values]
            prefix = snake(field.enum_type.name).upper()
            assert names == [f"{prefix}_UNSPECIFIED", *(f"{prefix}_{choice.upper()}" for choice in get_args(types_))], spot
        elif isinstance(types_, type) and issubclass(types_, BaseModel):
            _compare(field.message_type, types_, seen, given=given)
        else:
            assert field.type in SCALARS[types_], spot
            assert field.has_presence is ((given or nullable) and not repeated), spot


def _unwrap(annotation: Any) -> tuple[Any, bool, bool]:
    nullable = repeated = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) is list:
            annotation, repeated = get_args(annotation)[0], True
        elif isinstance(annotation, types.UnionType):
            (annotation,) = (arg for arg in get_args(annotation) if arg is not types.NoneType)
            nullable = True
        else:
            return annotation, nullable, repeated


def test_the_comparison_notices_each_kind_of_drift():
    message = agent_service("prefix_cache").skills["plan"].call.request.DESCRIPTOR
    right = ROSTER["prefix_cache"].skills["plan"].input

    def drifted(**fields: Any) -> type[BaseModel]:
        namespace = {name: field.annotation for name, field in right.model_fields.items()}
        return type("PlanRequest", (BaseModel,), {"__annotations__": {**namespace, **fields}})

    _compare(message, drifted(), set(), given=True)
    for changed in ({"layers": str}, {"dtype": Literal["float32"]}, {"new": int}, {"layers": list[int]}):
        with pytest.raises(AssertionError):
            _compare(message, drifted(**changed), set(), given=True)
    with pytest.raises(AssertionError):
        _compare(message, drifted(), set(), given=False)


@pytest.mark.parametrize("agent", ROSTER)
def test_a_schema_from_descriptors_has_the_names_types_and_choices_of_the_models(agent):
    for skill in agent_service(agent).skills.values():
        model = ROSTER[agent].skills[skill.name].input
        told = schema(skill.call.request.DESCRIPTOR)
        assert list(told["properties"]) == list(model.model_fields)
        assert set(told.get("$defs", {})) == set(model.model_json_schema().get("$defs", {}))
    told = schema(agent_service("prefix_cache").skills["plan"].call.request.DESCRIPTOR)
    assert told["properties"]["layers"] == {"type": "integer"}
    assert told["properties"]["dtype"]["enum"] == ["float32", "float16", "bfloat16", "fp8", "int8"]


def test_an_agent_without_compiled_messages_has_no_service():
    assert agent_service("nobody") is None
    assert agent_service("tasks") is None, "sametask.tasks.v1.Tasks is nobody's own"


def test_stubs_are_of_one_package_wherever_it_is_imported():
    assert not any("from sametask" in path.read_text() for path in HERE.glob("*_pb2*.py*"))


def test_every_message_takes_its_own_json_back():
    codec = Codec()
    for agent in ROSTER:
        for message in _file_of(agent_service(agent)).message_types_by_name.values():
            cls = message_class(message)
            empty = codec.decode(cls())
            assert codec.encode(empty, cls) == cls(), message.name
