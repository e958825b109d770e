"""Windows over a picture. No state."""

from ovdet.structures import InputError


def window_starts(length: int, side: int, step: int, multiple: int = 1) -> list[int]:
    """Return where windows begin along one axis so that they cover it, the last one at its end.

    Args:
        length: Of the axis, px, a multiple of ``multiple``.
        side: Of a window, px.
        step: From one window to the next, px.
        multiple: Starts are multiples of this, px: ``step`` is rounded down to one.

    Returns:
        Rising from 0; only 0 where a window covers the axis.

    Raises:
        InputError: If windows would leave gaps (``step`` above ``side``), ``step`` is below
            ``multiple``, or ``side`` or ``length`` is no multiple of it.
    """
    if not multiple <= step <= side:
        raise InputError(f"windows of {side} px must step by {multiple} to {side} px, got {step}")
    for name, value in (("side", side), ("length", length)):
        if value % multiple:
            raise InputError(f"{name} must be a multiple of {multiple} px, got {value}")
    if length <= side:
        return [0]
    return [*range(0, length - side, step // multiple * multiple), length - side]
