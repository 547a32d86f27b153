from enum import StrEnum


class SimulateRequestPartialBlocks(StrEnum):
    CACHED = "cached"
    NEVER_CACHED = "never_cached"

    def __str__(self) -> str:
        return str(self.value)
