from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.problem_details import ProblemDetails


T = TypeVar("T", bound="Problem")


@_attrs_define
class Problem:
    """RFC 9457 problem details. `code` and `details` are extension members (section 3.2).

    Attributes:
        title (str):
        status (int):
        detail (str): what went wrong, in one line
        code (str): the class of the error, the same on every protocol: one of error, invalid_input, not_found,
            unknown_agent, unknown_skill, unknown_task, unknown_webhook, conflict, task_finished, not_waiting, key_reused,
            rejected, too_large, skill_failed, deadline_exceeded, unavailable, connection_lost
        type_ (str | Unset): about:blank: `title` and `status` are HTTP's own (section 4.2.1) Default: 'about:blank'.
        details (ProblemDetails | Unset): `field`, `value` and `accepted`, where they apply, and the error's other
            particulars
    """

    title: str
    status: int
    detail: str
    code: str
    type_: str | Unset = "about:blank"
    details: ProblemDetails | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        title = self.title

        status = self.status

        detail = self.detail

        code = self.code

        type_ = self.type_

        details: dict[str, Any] | Unset = UNSET
        if not isinstance(self.details, Unset):
            details = self.details.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "title": title,
                "status": status,
                "detail": detail,
                "code": code,
            }
        )
        if type_ is not UNSET:
            field_dict["type"] = type_
        if details is not UNSET:
            field_dict["details"] = details

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.problem_details import ProblemDetails

        d = dict(src_dict)
        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        code = d.pop("code")

        type_ = d.pop("type", UNSET)

        _details = d.pop("details", UNSET)
        details: ProblemDetails | Unset
        if isinstance(_details, Unset):
            details = UNSET
        else:
            details = ProblemDetails.from_dict(_details)

        problem = cls(
            title=title,
            status=status,
            detail=detail,
            code=code,
            type_=type_,
            details=details,
        )

        problem.additional_properties = d
        return problem

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
