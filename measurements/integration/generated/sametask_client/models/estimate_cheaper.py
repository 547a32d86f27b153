from enum import StrEnum


class EstimateCheaper(StrEnum):
    DENSE = "dense"
    MOE = "moe"
    TIE = "tie"

    def __str__(self) -> str:
        return str(self.value)
