"""The libvirt driver of nova-virt-api: QEMU and KVM guests through libvirtd.

``driver.py`` assembles it. Each role of the contract has a file of its name, or a package of its name whose
``role.py`` has the class. What they stand on: ``connection`` and ``errors`` (libvirt itself), ``domains`` and
``definitions`` (guests that exist), ``machine`` and ``devices`` (definitions of new ones), ``storage`` and
``images``, ``claims`` (who works on a guest), ``metadata`` (what is written down in a guest's mark), ``remains``
(what a guest leaves behind).
"""
