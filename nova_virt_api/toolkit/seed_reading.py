"""Reading a medium with first-boot data: what cloud-init would find on it."""

import io
from typing import Final

LARGEST_FILE: Final = 4 * 1024**2
"""Bytes of a file that are read at most."""


def seed_files(image: bytes) -> dict[str, bytes]:
    """The files of an ISO 9660 image, by their paths with long names; none of what is no such image.

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
        for folder, _, names in medium.walk(joliet_path="/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                if medium.get_record(joliet_path=path).get_data_length() <= LARGEST_FILE:
                    content = io.BytesIO()
                    medium.get_file_from_iso_fp(content, joliet_path=path)
                    files[path.removeprefix("/")] = content.getvalue()
    except PyCdlibException:  # of another kind than cloud-init's media are
        return files
    finally:
        medium.close()
    return files
