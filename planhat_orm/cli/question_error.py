"""The error of a question that cannot be read, known to commands that load no parser."""

from __future__ import annotations

from ..errors import FieldError


class QuestionError(FieldError):
    """A question that cannot be read; `pointed` is its text with a mark where it cannot."""

    def __init__(self, sentence: str, text: str, position: int) -> None:
        super().__init__(f"position {position + 1}: {sentence}")
        self.pointed = f"  {text}\n  {' ' * position}^"

    def __reduce__(self) -> tuple[type[FieldError], tuple[str]]:
        return FieldError, (str(self),)
