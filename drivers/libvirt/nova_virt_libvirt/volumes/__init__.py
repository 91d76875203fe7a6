"""Volumes of storage services: how QEMU reaches them, and guests that use them."""
