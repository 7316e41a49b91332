"""What an argument of `evaluate` must be, said with its name."""

from __future__ import annotations

import operator


def whole_number(name: str, value: object, *, least: int | None = None) -> int:
    """`value` as a plain `int`; numpy's whole numbers are as good as others.

    Args:
        name: The argument.
        value: What was given for it.
        least: The smallest number that is allowed; any, when left out.

    Raises:
        ValueError: It is a `bool`, a text, a number with a fraction, …, or below `least`.
    """
    bound = "" if least is None else f" of at least {least}"
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what has no index is refused below
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (least is not None and number < least):
        raise ValueError(f"{name}={value!r}: must be a whole number{bound}") from None
    return number
