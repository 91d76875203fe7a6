"""What to do when libvirt's Python binding is missing. Imports without it: the loader shows this text."""

from typing import Final

INSTALL_HINT: Final = (
    "libvirt-python is compiled when pip installs it:"
    " apt install gcc pkg-config python3-dev libvirt-dev, then pip install nova-virt-libvirt;"
    " or apt install python3-libvirt and use a virtual environment made with --system-site-packages"
)
"""For Debian and Ubuntu, whose names are close enough to find the packages elsewhere."""
