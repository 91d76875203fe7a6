"""What a closer look at a guest finds."""

from dataclasses import dataclass

from nova_virt_api.model.instance import HEALTHY, Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """A reading of the hardware.

    Args:
        name: the backend's name of the sensor.
        kind: what is measured, e.g. ``temperature``.
        value: the reading; None when the sensor gives none.
        unit: its unit, e.g. ``Celsius``; empty where it has none.
        ok: whether the backend finds it in order; None when it does not say.
    """

    name: str
    kind: str
    value: float | None = None
    unit: str = ""
    ok: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that happened to a guest or its node.

    Args:
        at: when, in seconds since the epoch.
        kind: the backend's word for it.
        message: what happened, with the cause as far as known.
        error: whether something went wrong.
    """

    at: float
    kind: str
    message: str
    error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is known of one guest beyond its listing; a number that is not known is None.

    Args:
        health: as in ``Instance``.
        native_state: the backend's own words for the state.
        uptime_seconds: since the guest was started.
        cpu_seconds: time that its virtual CPUs have used.
        memory_used_bytes: memory that it uses.
        sensors: readings of the hardware that it runs on.
        incidents: what happened, the latest first.
    """

    health: Health = HEALTHY
    native_state: str = ""
    uptime_seconds: float | None = None
    cpu_seconds: float | None = None
    memory_used_bytes: int | None = None
    sensors: tuple[Sensor, ...] = ()
    incidents: tuple[Incident, ...] = ()
