"""The steps that the fake driver's verbs consist of. A fault can be put on each, see ``Switches``."""

import enum
from typing import Final

from nova_virt_api.driver.operation import Stage


class Step(enum.Enum):
    """One thing that a verb does to the hypervisor. A fault strikes right before it is done."""

    READ = "read"
    """Any listing, look-up or other question."""

    SPAWN_CLAIM = "spawn: claim"
    """The guest's record is made."""

    SPAWN_IMAGE = "spawn: image"
    """One disk's image is fetched and inspected."""

    SPAWN_DISK = "spawn: disk"
    """One volume is made: a disk, the firmware's variables, the seed for cloud-init."""

    SPAWN_PORT = "spawn: port"
    """One NIC is connected to its network."""

    SPAWN_DEFINE = "spawn: define"
    """The guest appears, stopped."""

    SPAWN_START = "spawn: start"
    """The guest is started."""

    SPAWN_FINISH = "spawn: finish"
    """The record says that the guest is ready."""

    SPAWN_UNDO = "spawn: undo"
    """What a failed or cancelled spawn made is removed."""

    DESTROY_MARK = "destroy: mark"
    """The record says that the guest is being deleted; until here a destroy can be cancelled."""

    DESTROY_STOP = "destroy: stop"
    """The guest's power is cut."""

    DESTROY_UNDEFINE = "destroy: undefine"
    """The guest disappears."""

    DESTROY_PORT = "destroy: port"
    """One port is removed."""

    DESTROY_DISK = "destroy: disk"
    """One volume is removed or kept."""

    DESTROY_RECORD = "destroy: record"
    """The record is removed."""

    POWER_ON = "power on"
    POWER_OFF = "power off"
    REBOOT = "reboot"
    UPDATE = "update"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    SUSPEND = "suspend"
    RESUME = "resume"
    SNAPSHOT_REST = "snapshot: rest"
    """The guest's file systems come to rest, where that is wanted."""

    SNAPSHOT_READ = "snapshot: read"
    """The boot disk is read."""

    SNAPSHOT_WRITE = "snapshot: write"
    """The image appears at its target."""

    CLONE_CLAIM = "clone: claim"
    """The copy's record is made."""

    CLONE_REST = "clone: rest"
    """The original's file systems come to rest, where that is wanted."""

    CLONE_READ = "clone: read"
    """The original's disks are read."""

    CLONE_DISK = "clone: disk"
    """One of the copy's volumes is made."""

    CLONE_PORT = "clone: port"
    """One of the copy's NICs is connected to its network."""

    CLONE_DEFINE = "clone: define"
    """The copy appears, stopped."""

    CLONE_START = "clone: start"
    """The copy is started."""

    CLONE_FINISH = "clone: finish"
    """The record says that the copy is ready."""

    CLONE_UNDO = "clone: undo"
    """What a failed or cancelled clone made is removed."""

    BEGIN_BACKUP = "begin backup"
    FINISH_BACKUP = "finish backup"
    ABORT_BACKUP = "abort backup"
    FORGET_BACKUP_POINT = "forget backup point"
    CREATE_CHECKPOINT = "create checkpoint"
    REVERT_TO_CHECKPOINT = "revert to checkpoint"
    DELETE_CHECKPOINT = "delete checkpoint"
    PREFETCH_IMAGE = "prefetch image"
    PRUNE_IMAGE = "prune image"
    """One copy of an image is removed."""

    REBUILD_IMAGE = "rebuild: image"
    """The new image is fetched and inspected; until here a rebuild leaves the guest as it was."""

    REBUILD_STOP = "rebuild: stop"
    """The guest is stopped and counts as torn; until here a rebuild can be cancelled."""

    REBUILD_WRITE = "rebuild: write"
    """The boot disk is written."""

    REBUILD_START = "rebuild: start"
    """The guest is started."""

    PREPARE_RESIZE = "prepare resize"
    """The guest waits, and what it was is remembered."""

    FETCH_RESIZED = "fetch resized"
    """A guest that waits in another world is made in this one."""

    FINISH_RESIZE = "finish resize"
    """The guest has its new size."""

    RESIZE_LIVE = "resize live"
    """A running guest takes, or gives back, virtual CPUs and memory."""

    CONFIRM_RESIZE = "confirm resize"
    REVERT_RESIZE = "revert resize"
    RESCUE_IMAGE = "rescue: image"
    """The rescue system's image is fetched and inspected."""

    RESCUE = "rescue"
    UNRESCUE = "unrescue"
    ATTACH_INTERFACE = "attach interface"
    DETACH_INTERFACE = "detach interface"
    ATTACH_VOLUME = "attach volume"
    DETACH_VOLUME = "detach volume"
    EXTEND_VOLUME = "extend volume"
    COPY_VOLUME = "copy volume"
    """A part of a volume is copied to the one that it is swapped for; four times."""

    SWITCH_VOLUME = "switch volume"
    """The guest goes over to the new volume; until here a swap leaves it on the old one."""

    ATTACH_SHARE = "attach share"
    DETACH_SHARE = "detach share"
    CREATE_VOLUME = "create volume"
    """A volume that no guest owns is made; twice, before and after it is claimed."""

    UPLOAD_VOLUME = "upload volume"
    """The same with a part of an image; once before it is claimed, and four times."""

    RESIZE_VOLUME = "resize volume"
    DELETE_VOLUME = "delete volume"
    DOWNLOAD_VOLUME = "download volume"
    """A part of a volume is read; four times."""

    SET_PASSWORD = "set password"  # noqa: S105 - the name of a step
    QUIESCE = "quiesce"
    UNQUIESCE = "unquiesce"
    CHECK_MIGRATION = "live migration: check"
    """One end says what it has to offer, or needs."""

    PREPARE_MIGRATION = "live migration: prepare"
    """Record, volumes and ports are made at the destination."""

    COPY_MEMORY = "live migration: copy"
    """A part of the memory is copied; until it is over the move can be cancelled."""

    ARRIVE = "live migration: arrive"
    """The guest runs at the destination."""

    LEAVE = "live migration: leave"
    """The guest disappears from the source."""

    ROLL_BACK_MIGRATION = "live migration: roll back"
    """What was prepared at the destination is removed."""

    FINISH_MIGRATION = "live migration: finish"
    """What is left at the source is removed."""

    CRASH_DUMP = "crash dump"
    ENTER_MAINTENANCE = "enter maintenance"
    LEAVE_MAINTENANCE = "leave maintenance"
    ADOPT = "adopt"
    RELEASE = "release"
    CONSOLE = "console"
    """A console ticket is made."""


STAGES: Final[dict[Step, Stage | str]] = {
    Step.SPAWN_CLAIM: Stage.CLAIM,
    Step.SPAWN_IMAGE: Stage.IMAGE,
    Step.SPAWN_DISK: Stage.DISKS,
    Step.SPAWN_PORT: "network",
    Step.SPAWN_DEFINE: Stage.DEFINE,
    Step.SPAWN_START: Stage.START,
    Step.SPAWN_FINISH: "finish",
    Step.SPAWN_UNDO: Stage.CLEAN_UP,
    Step.DESTROY_MARK: Stage.CLAIM,
    Step.DESTROY_STOP: Stage.STOP,
    Step.DESTROY_UNDEFINE: Stage.CLEAN_UP,
    Step.DESTROY_PORT: Stage.CLEAN_UP,
    Step.DESTROY_DISK: Stage.CLEAN_UP,
    Step.DESTROY_RECORD: Stage.CLEAN_UP,
    Step.POWER_ON: Stage.START,
    Step.POWER_OFF: Stage.STOP,
    Step.REBOOT: "restart",
    Step.UPDATE: "update",
    Step.PAUSE: "pause",
    Step.UNPAUSE: "unpause",
    Step.SUSPEND: "save memory",
    Step.RESUME: "restore memory",
    Step.SNAPSHOT_REST: "bring the file systems to rest",
    Step.SNAPSHOT_READ: "read disk",
    Step.SNAPSHOT_WRITE: "write image",
    Step.CLONE_CLAIM: Stage.CLAIM,
    Step.CLONE_REST: "bring the file systems to rest",
    Step.CLONE_READ: "read disks",
    Step.CLONE_DISK: Stage.DISKS,
    Step.CLONE_PORT: "network",
    Step.CLONE_DEFINE: Stage.DEFINE,
    Step.CLONE_START: Stage.START,
    Step.CLONE_FINISH: "finish",
    Step.CLONE_UNDO: Stage.CLEAN_UP,
    Step.BEGIN_BACKUP: "hold on to the disks",
    Step.FINISH_BACKUP: "let the disks go",
    Step.ABORT_BACKUP: "let the disks go",
    Step.FORGET_BACKUP_POINT: "forget what changed",
    Step.CREATE_CHECKPOINT: "keep the disks",
    Step.REVERT_TO_CHECKPOINT: "bring the disks back",
    Step.DELETE_CHECKPOINT: "join disks",
    Step.PREFETCH_IMAGE: Stage.IMAGE,
    Step.PRUNE_IMAGE: Stage.CLEAN_UP,
    Step.REBUILD_IMAGE: Stage.IMAGE,
    Step.REBUILD_STOP: Stage.STOP,
    Step.REBUILD_WRITE: Stage.DISKS,
    Step.REBUILD_START: Stage.START,
    Step.PREPARE_RESIZE: "prepare the resize",
    Step.FETCH_RESIZED: Stage.DISKS,
    Step.FINISH_RESIZE: Stage.DEFINE,
    Step.RESIZE_LIVE: "resize the running guest",
    Step.CONFIRM_RESIZE: "confirm",
    Step.REVERT_RESIZE: "go back",
    Step.RESCUE_IMAGE: Stage.IMAGE,
    Step.RESCUE: "start rescue system",
    Step.UNRESCUE: "stop rescue system",
    Step.ATTACH_INTERFACE: "attach interface",
    Step.DETACH_INTERFACE: "detach interface",
    Step.ATTACH_VOLUME: "attach volume",
    Step.DETACH_VOLUME: "detach volume",
    Step.EXTEND_VOLUME: "extend volume",
    Step.COPY_VOLUME: "copy volume",
    Step.SWITCH_VOLUME: "switch volume",
    Step.ATTACH_SHARE: "attach share",
    Step.DETACH_SHARE: "detach share",
    Step.CREATE_VOLUME: "make the volume",
    Step.UPLOAD_VOLUME: "upload the image",
    Step.RESIZE_VOLUME: "resize the volume",
    Step.DELETE_VOLUME: Stage.CLEAN_UP,
    Step.DOWNLOAD_VOLUME: "fetch the volume",
    Step.SET_PASSWORD: "set the password",
    Step.QUIESCE: "bring the file systems to rest",
    Step.UNQUIESCE: "let the guest write again",
    Step.CHECK_MIGRATION: "look at both ends",
    Step.PREPARE_MIGRATION: "prepare",
    Step.COPY_MEMORY: "copy memory and disks",
    Step.ARRIVE: "switch over",
    Step.LEAVE: "leave",
    Step.ROLL_BACK_MIGRATION: Stage.CLEAN_UP,
    Step.FINISH_MIGRATION: Stage.CLEAN_UP,
    Step.CRASH_DUMP: "interrupt",
    Step.ENTER_MAINTENANCE: "enter maintenance",
    Step.LEAVE_MAINTENANCE: "leave maintenance",
    Step.ADOPT: "adopt",
    Step.RELEASE: "release",
}
"""The stage that an operation shows while a step is under way."""

HOOKED: Final = (Step.POWER_ON, Step.RESUME)
"""Before these a caller's hook may run."""

SPAWN_STEPS: Final = (
    Step.SPAWN_CLAIM,
    Step.SPAWN_IMAGE,
    Step.SPAWN_DISK,
    Step.SPAWN_PORT,
    Step.SPAWN_DEFINE,
    Step.SPAWN_START,
    Step.SPAWN_FINISH,
)
"""What a spawn goes through, in this order."""

DESTROY_STEPS: Final = (
    Step.DESTROY_MARK,
    Step.DESTROY_STOP,
    Step.DESTROY_UNDEFINE,
    Step.DESTROY_PORT,
    Step.DESTROY_DISK,
    Step.DESTROY_RECORD,
)
"""What a destroy of a running guest goes through, in this order."""

CLONE_STEPS: Final = (
    Step.CLONE_CLAIM,
    Step.CLONE_REST,
    Step.CLONE_READ,
    Step.CLONE_DISK,
    Step.CLONE_PORT,
    Step.CLONE_DEFINE,
    Step.CLONE_START,
    Step.CLONE_FINISH,
)
"""What a clone of a running guest with an agent goes through, in this order."""

REBUILD_STEPS: Final = (Step.REBUILD_IMAGE, Step.REBUILD_STOP, Step.REBUILD_WRITE, Step.REBUILD_START)
"""What a rebuild goes through, in this order."""
