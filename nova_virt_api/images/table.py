"""Tables of offsets, as disk images hold them."""

import sys
from array import array
from collections.abc import Sequence
from typing import IO

from nova_virt_api.images.malformed import Malformed


def read_table(file: IO[bytes], offset: int, count: int, *, code: str, order: str) -> Sequence[int]:
    """The entries of a table.

    Args:
        file: the image.
        offset: where the table begins.
        count: how many entries it has.
        code: the entries' type as in :mod:`array`.
        order: their byte order, ``little`` or ``big``.
    """
    table = array(code)
    file.seek(offset)
    data = file.read(count * table.itemsize)
    if len(data) < count * table.itemsize:
        raise Malformed("it is cut short: its tables lie beyond its end")
    table.frombytes(data)
    if order != sys.byteorder:
        table.byteswap()
    return table
