"""``nova-virt diagnostics``."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from nova_virt_api.cli.command import add_guest
from nova_virt_api.cli.output import ShowOne

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from nova_virt_api.model.diagnostics import Incident, Sensor


class Diagnostics(ShowOne):
    """Show how a guest and what it runs on are doing, and what happened to it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        add_guest(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        diagnosis = self.compute.diagnostics(self.guest(parsed_args.guest))
        fields = {
            "health": diagnosis.health.condition.value,
            "health_reason": diagnosis.health.reason,
            "native_state": diagnosis.native_state,
            "uptime_seconds": diagnosis.uptime_seconds,
            "cpu_seconds": diagnosis.cpu_seconds,
            "memory_used_bytes": diagnosis.memory_used_bytes,
            "sensors": [sensor_fields(sensor) for sensor in diagnosis.sensors],
            "incidents": [incident_fields(incident) for incident in diagnosis.incidents],
        }
        return self.dict2columns(fields)


def sensor_fields(sensor: Sensor) -> dict[str, Any]:
    """A sensor in plain values."""
    return {
        "name": sensor.name,
        "kind": sensor.kind,
        "value": sensor.value,
        "unit": sensor.unit,
        "ok": sensor.ok,
    }


def incident_fields(incident: Incident) -> dict[str, Any]:
    """An incident in plain values; its time as in ISO 8601."""
    at = datetime.datetime.fromtimestamp(incident.at, datetime.UTC).isoformat(timespec="seconds")
    return {"at": at, "kind": incident.kind, "message": incident.message, "error": incident.error}
