"""What a header promises against what its file can hold, checked before any memory is taken for it."""

from nebulift.frames.frame import UnreadableFrame

HIGHEST_COMPRESSION = 1032  # of deflate; the other methods stay below it on anything that is not constant


def check_all_there(needed: int, available: int, what: str) -> None:
    """Refuse a file in which some of the `needed` bytes are missing.

    Raises
    ------
    UnreadableFrame
        With the number of missing bytes of `what`.
    """
    if available < needed:
        missing = needed - max(available, 0)
        raise UnreadableFrame(f"truncated: {missing} of {needed} bytes of {what} missing")


def check_can_come_out(unpacked: int, packed: int) -> None:
    """Refuse a promise of more bytes of pixels than any compression gets into the bytes that are there.

    Raises
    ------
    UnreadableFrame
        With both numbers.
    """
    if unpacked > packed * HIGHEST_COMPRESSION:
        raise UnreadableFrame(f"broken header: {unpacked} bytes of pixels cannot come out of {packed}")
