from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.webhook_state import WebhookState
from ..types import UNSET, Unset

T = TypeVar("T", bound="WebhookCreated")


@_attrs_define
class WebhookCreated:
    """Told once: the secret is not shown again.

    Attributes:
        id (str):
        task_id (str):
        url (str):
        state (WebhookState):
        cursor (int):
        failed_attempts (int): since the last delivery that was accepted
        last_error (str):
        secret (str):
        next_attempt_at (float | None | Unset): seconds since the Unix epoch, while attempts fail
    """

    id: str
    task_id: str
    url: str
    state: WebhookState
    cursor: int
    failed_attempts: int
    last_error: str
    secret: str
    next_attempt_at: float | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        task_id = self.task_id

        url = self.url

        state = self.state.value

        cursor = self.cursor

        failed_attempts = self.failed_attempts

        last_error = self.last_error

        secret = self.secret

        next_attempt_at: float | None | Unset
        if isinstance(self.next_attempt_at, Unset):
            next_attempt_at = UNSET
        else:
            next_attempt_at = self.next_attempt_at

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "task_id": task_id,
                "url": url,
                "state": state,
                "cursor": cursor,
                "failed_attempts": failed_attempts,
                "last_error": last_error,
                "secret": secret,
            }
        )
        if next_attempt_at is not UNSET:
            field_dict["next_attempt_at"] = next_attempt_at

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        task_id = d.pop("task_id")

        url = d.pop("url")

        state = WebhookState(d.pop("state"))

        cursor = d.pop("cursor")

        failed_attempts = d.pop("failed_attempts")

        last_error = d.pop("last_error")

        secret = d.pop("secret")

        def _parse_next_attempt_at(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        next_attempt_at = _parse_next_attempt_at(d.pop("next_attempt_at", UNSET))

        webhook_created = cls(
            id=id,
            task_id=task_id,
            url=url,
            state=state,
            cursor=cursor,
            failed_attempts=failed_attempts,
            last_error=last_error,
            secret=secret,
            next_attempt_at=next_attempt_at,
        )

        webhook_created.additional_properties = d
        return webhook_created

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
