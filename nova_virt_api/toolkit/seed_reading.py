"""Reading a medium with first-boot data: what cloud-init would find on it."""

import io
from typing import Final

LARGEST_FILE: Final = 4 * 1024**2
"""Bytes of a file that are read at most."""


def seed_files(image: bytes) -> dict[str, bytes]:
    """The files in the root of an ISO 9660 image, by their long names; none of what is no such image.

    Args:
        image: the medium's bytes.
    """
    import pycdlib
    from pycdlib.pycdlibexception import PyCdlibException

    medium = pycdlib.PyCdlib()
    files: dict[str, bytes] = {}
    try:
        medium.open_fp(io.BytesIO(image))
    except PyCdlibException:
        return files
    try:
        for child in medium.list_children(joliet_path="/"):
            if child.is_file() and child.get_data_length() <= LARGEST_FILE:
                name = child.file_identifier().decode("utf-16-be").partition(";")[0]
                content = io.BytesIO()
                medium.get_file_from_iso_fp(content, joliet_path=f"/{name}")
                files[name] = content.getvalue()
    except PyCdlibException:  # of another kind than cloud-init's media are
        return files
    finally:
        medium.close()
    return files
