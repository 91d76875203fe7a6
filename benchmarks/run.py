"""Measure, and print every figure beside its bound; ``!`` marks those above it. Ratios are of things measured in turns.

A figure above its bound fails nothing: machines are noisy, and one run is no verdict.
"""

import argparse
from importlib import import_module

PARTS = (
    "startup",
    "overhead",
    "libvirt_listing",
    "libvirt_events",
    "libvirt_spawn",
    "libvirt_parallel",
    "libvirt_migration",
    "backup_incremental",
    "ironic_listing",
    "ironic_spawn",
    "vmware_listing",
)


def main() -> None:
    """Run the parts named, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"any of: {', '.join(PARTS)} (default: all)")
    parts = parser.parse_args().parts or PARTS
    missed = 0
    for part in parts:
        print(f"\n{part}")
        for figure in import_module(part).measure():
            bound = "" if figure.bound is None else f"  (at most {figure.bound:g} {figure.unit})"
            verdict = "  " if figure.kept else "! "
            detail = f"\n      {figure.detail}" if figure.detail else ""
            print(f"{verdict}{figure.name:<58} {figure.value:8.2f} {figure.unit}{bound}{detail}", flush=True)
            missed += not figure.kept
    print(f"\n{missed or 'no'} figures are above their bound")


if __name__ == "__main__":
    main()
