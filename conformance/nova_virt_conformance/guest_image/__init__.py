"""The small bootable guest that the kit, the tests and the demo start, and the reader of what it says.

`python -m nova_virt_conformance.guest_image` builds the image, or finds the one built before, and prints its path. The
builder needs Python and the distribution's tools only, so that it runs before anything is installed. What the image is
and says: doc/reference/guest-image.md.
"""
