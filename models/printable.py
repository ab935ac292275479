"""Text that comes from outside, such as a file's name, as it can be shown and sent."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with what is no character (bytes of a file name that are not UTF-8) and line breaks as U+FFFD."""
    as_bytes = text.encode("utf-8", "surrogateescape") if _is_escaped(text) else text.encode("utf-8", "replace")
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}"
        for character in as_bytes.decode("utf-8", "replace")
    )


def _is_escaped(text: str) -> bool:
    """Whether every half character stands for a byte, as `os.fsdecode` writes it."""
    return all(not 0xD800 <= ord(character) <= 0xDFFF or 0xDC80 <= ord(character) <= 0xDCFF for character in text)
