from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.error_info_details import ErrorInfoDetails


T = TypeVar("T", bound="ErrorInfo")


@_attrs_define
class ErrorInfo:
    """An error as data; see `agents/errors.py` for the codes.

    Attributes:
        code (str):
        message (str):
        details (ErrorInfoDetails | Unset):
    """

    code: str
    message: str
    details: ErrorInfoDetails | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        code = self.code

        message = self.message

        details: dict[str, Any] | Unset = UNSET
        if not isinstance(self.details, Unset):
            details = self.details.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "code": code,
                "message": message,
            }
        )
        if details is not UNSET:
            field_dict["details"] = details

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        from ..models.error_info_details import ErrorInfoDetails

        d = dict(src_dict)
        code = d.pop("code")

        message = d.pop("message")

        _details = d.pop("details", UNSET)
        details: ErrorInfoDetails | Unset
        if isinstance(_details, Unset):
            details = UNSET
        else:
            details = ErrorInfoDetails.from_dict(_details)

        error_info = cls(
            code=code,
            message=message,
            details=details,
        )

        return error_info
