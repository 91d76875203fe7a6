"""Pools and volumes, touched through libvirt's storage API only."""
