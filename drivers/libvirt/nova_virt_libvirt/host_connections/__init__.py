"""Volumes that the host connects first, for QEMU to open as block devices."""
