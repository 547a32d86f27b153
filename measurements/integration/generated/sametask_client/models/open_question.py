from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.open_question_answer_schema import OpenQuestionAnswerSchema


T = TypeVar("T", bound="OpenQuestion")


@_attrs_define
class OpenQuestion:
    """A question that a task has asked its caller and that is not answered yet.

    Attributes:
        request_id (str): names the question within its task; an answer cites it
        text (str):
        answer_schema (OpenQuestionAnswerSchema): JSON Schema of the answer: a flat object of primitives
    """

    request_id: str
    text: str
    answer_schema: OpenQuestionAnswerSchema

    def to_dict(self) -> dict[str, Any]:
        request_id = self.request_id

        text = self.text

        answer_schema = self.answer_schema.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "request_id": request_id,
                "text": text,
                "answer_schema": answer_schema,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.open_question_answer_schema import OpenQuestionAnswerSchema

        d = dict(src_dict)
        request_id = d.pop("request_id")

        text = d.pop("text")

        answer_schema = OpenQuestionAnswerSchema.from_dict(d.pop("answer_schema"))

        open_question = cls(
            request_id=request_id,
            text=text,
            answer_schema=answer_schema,
        )

        return open_question
