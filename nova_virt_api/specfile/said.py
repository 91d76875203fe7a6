"""Words that stand for a value in an error, where the value itself is of no use or must not be shown."""


class Said(str):
    """Text that ``repr`` does not quote."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
