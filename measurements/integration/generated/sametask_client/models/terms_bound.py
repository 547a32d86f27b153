from enum import StrEnum


class TermsBound(StrEnum):
    COMPUTE = "compute"
    MEMORY = "memory"

    def __str__(self) -> str:
        return str(self.value)
