"""The kit's own guest image as that of a target; it is built when it is first needed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nova_virt_api.errors import ConfigError
from nova_virt_api.model.image import LocalFile

if TYPE_CHECKING:
    from collections.abc import Callable

    from nova_virt_conformance.target import Target

BUILT_IN: Final = "built-in"
"""Stands for it in a target's file."""

BUILT_IN_IMAGE: Final = LocalFile(path=BUILT_IN)
"""Stands for it in a target."""


def with_built_image(target: Target, tell: Callable[[str], None]) -> Target:
    """The target, with the kit's own image where it asks for that.

    Args:
        target: the target.
        tell: takes a line about what is being done; the first build downloads packages.

    Raises:
        ConfigError: the image cannot be built.
    """
    if target.image is not BUILT_IN_IMAGE:
        return target
    from nova_virt_conformance.guest_image.cache import ensure_image
    from nova_virt_conformance.guest_image.command import BuildError

    try:
        return replace(target, image=LocalFile(path=ensure_image(tell)))
    except (BuildError, OSError) as error:
        raise ConfigError("image", f"the built-in image cannot be built: {error}") from error
