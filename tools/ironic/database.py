"""A database with a schema and no rows: a copy of a pristine one, which is made once for each version."""

import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from tools.ironic.installation import BUILD, NotInstalledError
from tools.ironic.processes import Processes, Service, run

MakeSchema = Callable[[Path, str], None]
"""Makes the tables: gets a scratch directory and SQLAlchemy's URL of an empty database."""

DAEMONS: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
"""Where mariadbd is, even where an ordinary user's PATH does not say so."""
SCHEMA: Final = "ironic"
LOG_SIZE: Final = "--innodb-log-file-size=8M"
SERVER_OPTIONS: Final = (
    "--skip-networking",
    "--max-connections=1000",
    "--innodb-buffer-pool-size=64M",
    LOG_SIZE,
    "--innodb-flush-log-at-trx-commit=0",  # nothing here must survive the machine
    "--performance-schema=OFF",
)


def sqlite(directory: Path, name: str, make: MakeSchema) -> str:
    """Put a database into a directory and give its URL. It is for one process at a time.

    Args:
        directory: where the file is put.
        name: of the schema and its version, under which the pristine copy is kept.
        make: makes the tables when there is no pristine copy yet.
    """

    def build(scratch: Path) -> Path:
        file = scratch / "pristine.sqlite"
        make(scratch, f"sqlite:///{file}")
        return file

    copy = directory / f"{name}.sqlite"
    shutil.copyfile(pristine(f"{name}.sqlite", build), copy)
    return f"sqlite:///{copy}"


def mariadb(processes: Processes, name: str, make: MakeSchema) -> str:
    """Start a MariaDB that is reached by a socket in its directory only, and give the database's URL.

    Args:
        processes: who runs it.
        name: of the schema and its version, under which the pristine copy is kept.
        make: makes the tables when there is no pristine copy yet.

    Raises:
        NotInstalledError: the machine has no MariaDB.
    """

    def build(scratch: Path) -> Path:
        data = scratch / "data"
        install = [found("mariadb-install-db"), "--no-defaults", f"--datadir={data}", f"--user={account()}", LOG_SIZE]
        run([*install, "--auth-root-authentication-method=normal", "--skip-test-db"])
        with Processes() as own:
            server = Service(own, name, server_command(data), lambda: accepts(data / "socket"))
            server.start()
            with sa.create_engine(mariadb_url(data, ""), poolclass=sa.NullPool).connect() as connection:
                connection.execute(sa.schema.CreateSchema(SCHEMA))
            make(scratch, mariadb_url(data))
            server.stop()
        return data

    data = processes.directory / name
    shutil.copytree(pristine(f"{name}.mariadb", build), data)
    Service(processes, f"{name}-mariadb", server_command(data), lambda: accepts(data / "socket")).start()
    return mariadb_url(data)


def pristine(name: str, build: Callable[[Path], Path]) -> Path:
    """Give what is kept under a name; build it when it is not there. Several may try at once."""
    kept = BUILD / name
    if not kept.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="schema-", dir=BUILD) as scratch:
            built = build(Path(scratch))
            try:
                built.rename(kept)
            except OSError:
                if not kept.exists():
                    raise
    return kept


def server_command(data: Path) -> list[str]:
    """The command that runs a MariaDB."""
    places = [f"--datadir={data}", f"--socket={data}/socket", f"--pid-file={data}/pid"]
    return [found("mariadbd"), "--no-defaults", f"--user={account()}", *places, *SERVER_OPTIONS]


def mariadb_url(data: Path, schema: str = SCHEMA) -> str:
    """SQLAlchemy's URL of a database in a MariaDB."""
    return f"mysql+pymysql://root@localhost/{schema}?charset=utf8mb4&unix_socket={data}/socket"


def accepts(path: Path) -> bool:
    """Whether a server accepts connections on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def account() -> str:
    """The user as whom the server runs; root must be named."""
    return pwd.getpwuid(os.geteuid()).pw_name


def found(command: str) -> str:
    """Give a command's path.

    Raises:
        NotInstalledError: it is not on this machine.
    """
    path = shutil.which(command, path=DAEMONS)
    if path is None:
        raise NotInstalledError(f"{command} is missing: run tools/install_system_packages")
    return path
