"""Where a fake disk's first content comes from."""

from dataclasses import dataclass
from pathlib import Path

from nova_virt_api.driver.operation import Operation
from nova_virt_api.errors import ImageNotFound, InvalidSpec
from nova_virt_api.fake.state import State
from nova_virt_api.model.disk import Blank, Disk
from nova_virt_api.model.image import LocalFile, Native
