"""Cuts text to what a frame may carry. Lengths count UTF-16 units, as the host's schemas do."""

from __future__ import annotations


def units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text) if not text.isascii() else len(text)


def clip(text: str, limit: int) -> str:
    """The beginning of `text`, at most `limit` units."""
    if units(text) <= limit:
        return text
    return text.encode("utf-16-le", "surrogatepass")[: 2 * limit].decode("utf-16-le", "ignore")


def clip_middle(text: str, limit: int) -> str:
    """Head and tail of `text` with a line between that says what is missing; at most `limit` units."""
    if units(text) <= limit:
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    half = limit // 2 - 64
    head = data[: 2 * half].decode("utf-16-le", "ignore")
    tail = data[-2 * half :].decode("utf-16-le", "ignore")
    return f"{head}\n  [... {len(text) - len(head) - len(tail)} characters left out ...]\n{tail}"
