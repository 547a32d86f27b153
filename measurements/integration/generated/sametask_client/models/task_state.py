from enum import StrEnum


class TaskState(StrEnum):
    CANCELED = "canceled"
    COMPLETED = "completed"
    FAILED = "failed"
    INPUT_REQUIRED = "input_required"
    REJECTED = "rejected"
    SUBMITTED = "submitted"
    WORKING = "working"

    def __str__(self) -> str:
        return str(self.value)
