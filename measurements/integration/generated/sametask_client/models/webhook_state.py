from enum import StrEnum


class WebhookState(StrEnum):
    ACTIVE = "active"
    DELIVERED = "delivered"
    FAILED = "failed"
    GONE = "gone"

    def __str__(self) -> str:
        return str(self.value)
