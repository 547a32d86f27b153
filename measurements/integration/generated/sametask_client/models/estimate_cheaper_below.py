from enum import StrEnum


class EstimateCheaperBelow(StrEnum):
    DENSE = "dense"
    MOE = "moe"
    TIE = "tie"

    def __str__(self) -> str:
        return str(self.value)
