from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar, cast

from attrs import define as _attrs_define

from ..types import UNSET, Unset

T = TypeVar("T", bound="WebhookRequest")


@_attrs_define
class WebhookRequest:
    """Where to send a task's events.

    Attributes:
        url (str): https, to a public address; others where the server is started to allow them
        secret (None | str | Unset): Signs each delivery (Standard Webhooks): `whsec_` and 24 to 64 bytes as base64;
            without it, one is made
        after (int | Unset): Only events with a sequence number above this one Default: 0.
    """

    url: str
    secret: None | str | Unset = UNSET
    after: int | Unset = 0

    def to_dict(self) -> dict[str, Any]:
        url = self.url

        secret: None | str | Unset
        if isinstance(self.secret, Unset):
            secret = UNSET
        else:
            secret = self.secret

        after = self.after

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "url": url,
            }
        )
        if secret is not UNSET:
            field_dict["secret"] = secret
        if after is not UNSET:
            field_dict["after"] = after

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        url = d.pop("url")

        def _parse_secret(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        secret = _parse_secret(d.pop("secret", UNSET))

        after = d.pop("after", UNSET)

        webhook_request = cls(
            url=url,
            secret=secret,
            after=after,
        )

        return webhook_request
