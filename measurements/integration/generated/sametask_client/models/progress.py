from __future__ import annotations

from collections.abc import Mapping
from typing import (
    Any,
    Literal,
    Self,
    TypeVar,
    cast,
)

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="Progress")


@_attrs_define
class Progress:
    """
    Attributes:
        done (float):
        type_ (Literal['progress'] | Unset):  Default: 'progress'.
        total (float | None | Unset):
        text (str | Unset):  Default: ''.
    """

    done: float
    type_: Literal["progress"] | Unset = "progress"
    total: float | None | Unset = UNSET
    text: str | Unset = ""

    def to_dict(self) -> dict[str, Any]:
        done = self.done

        type_ = self.type_

        total: float | None | Unset
        if isinstance(self.total, Unset):
            total = UNSET
        else:
            total = self.total

        text = self.text

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "done": done,
            }
        )
        if type_ is not UNSET:
            field_dict["type"] = type_
        if total is not UNSET:
            field_dict["total"] = total
        if text is not UNSET:
            field_dict["text"] = text

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        done = d.pop("done")

        type_ = cast(Literal["progress"] | Unset, d.pop("type", UNSET))
        if type_ != "progress" and not isinstance(type_, Unset):
            raise ValueError(f"type must match const 'progress', got '{type_}'")

        def _parse_total(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        total = _parse_total(d.pop("total", UNSET))

        text = d.pop("text", UNSET)

        progress = cls(
            done=done,
            type_=type_,
            total=total,
            text=text,
        )

        return progress
