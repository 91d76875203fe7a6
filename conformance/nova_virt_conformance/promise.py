"""What every driver promises beside its roles and features; rows of the support matrix."""

import enum


class Promise(enum.Enum):
    """A part of the contract that no driver can leave out."""

    CONNECTING = "connecting"
    CAPABILITIES = "capabilities"
    INVENTORY = "inventory"
    LISTING = "listing"
    SPAWN = "spawn"
    DESTROY = "destroy"
    POWER = "power"
    UPDATE = "update"
    POWER_STATES = "power_states"
    IMAGES = "images"
    EVENTS = "events"
    OWNERSHIP = "ownership"
    RECOVERY = "recovery"
    CONCURRENCY = "concurrency"
    OPERATIONS = "operations"
    ERRORS = "errors"
    SECRETS = "secrets"
    ISOLATION = "isolation"
