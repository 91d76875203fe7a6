"""Tables and their machine-readable forms. Commands give plain values; each format gets them the way it needs."""

from __future__ import annotations

import shutil
from abc import abstractmethod
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, ClassVar, Final

import cliff.lister
import cliff.show
from cliff.formatters.commaseparated import CSVLister
from cliff.formatters.json_format import JSONFormatter
from cliff.formatters.table import TableFormatter
from cliff.formatters.value import ValueFormatter
from cliff.formatters.yaml_format import YAMLFormatter
from stevedore.extension import Extension, ExtensionManager

from nova_virt_api.cli.command import Command
from nova_virt_api.cli.exit_codes import ExitCode
from nova_virt_api.cli.report import printable
from nova_virt_api.errors import InvalidSpec

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Sequence

LIST_FORMATS: Final = {
    "table": TableFormatter,
    "json": JSONFormatter,
    "yaml": YAMLFormatter,
    "csv": CSVLister,
    "value": ValueFormatter,
}
SHOW_FORMATS: Final = {name: formatter for name, formatter in LIST_FORMATS.items() if name != "csv"}
NO_ENTRY_POINT: Final = EntryPoint("format", "cliff.formatters", "cliff.formatter")
UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Lister(cliff.lister.Lister, Command):
    """A command that prints a list."""

    expendable: ClassVar[tuple[str, ...]] = ()
    """Columns that are left out, in this order, where a terminal is too narrow."""

    def _load_formatter_plugins(self) -> Any:
        return manager(LIST_FORMATS)

    @abstractmethod
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Iterable[Sequence[Any]]]:
        """The names of the columns and the rows, in plain values."""

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Iterable[Sequence[Any]]
    ) -> int:
        check_columns(parsed_args, column_names)
        rows = list(data)
        if parsed_args.sort_columns:
            rows = sort(rows, [column_names.index(name) for name in parsed_args.sort_columns], parsed_args)
            parsed_args.sort_columns = []
        if not rows and parsed_args.formatter == "table" and not parsed_args.print_empty:
            self.note("nothing to list")
            return ExitCode.OK
        as_format = READY[parsed_args.formatter]
        ready = [[as_format(name, value) for name, value in zip(column_names, row, strict=True)] for row in rows]
        if parsed_args.formatter == "table" and not parsed_args.columns and self.app.stdout.isatty():
            parsed_args.columns = self._columns_with_room(column_names, ready)
        return super().produce_output(parsed_args, headings(parsed_args, column_names), ready)

    def _columns_with_room(self, column_names: Sequence[str], rows: list[list[Any]]) -> list[str]:
        """The columns without those that can be spared where the terminal is too narrow for all."""
        widths = {
            name: max(len(line) for text in (words(name), *column) for line in str(text).split("\n"))
            for name, column in zip(column_names, zip(*rows, strict=True), strict=True)
        }
        room = shutil.get_terminal_size().columns
        spared = []
        for name in self.expendable:
            if sum(width + 3 for width in widths.values()) + 1 > room:
                del widths[name]
                spared.append(name)
        if spared:
            self.note(f"not shown for lack of room: {', '.join(spared)}; -c shows a column, -f another form")
        return list(widths)


class ShowOne(cliff.show.ShowOne, Command):
    """A command that prints the fields of one thing."""

    def _load_formatter_plugins(self) -> Any:
        return manager(SHOW_FORMATS)

    @abstractmethod
    def take_action(self, parsed_args: argparse.Namespace) -> tuple[Sequence[str], Sequence[Any]]:
        """The names of the fields and the values, in plain form."""

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Sequence[Any]) -> int:
        check_columns(parsed_args, column_names)
        as_format = READY[parsed_args.formatter]
        ready = [as_format(name, value) for name, value in zip(column_names, data, strict=True)]
        return super().produce_output(parsed_args, headings(parsed_args, column_names), ready)


def manager(formats: dict[str, Any]) -> Any:
    """The formats in cliff's form; cliff itself searches for plug-ins, which takes longer than a listing."""
    extensions = [Extension(name, NO_ENTRY_POINT, formatter, formatter()) for name, formatter in formats.items()]
    return ExtensionManager.make_test_instance(extensions)


def check_columns(parsed_args: argparse.Namespace, known: Sequence[str]) -> None:
    """Bring the columns that were asked for into their one spelling, and refuse those that are not there."""
    for option, names in (("--column", "columns"), ("--sort-column", "sort_columns")):
        wanted = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in getattr(parsed_args, names, ())]
        for name in wanted:
            if name not in known:
                raise InvalidSpec(option, name, f"one of: {', '.join(known)}")
        if hasattr(parsed_args, names):
            setattr(parsed_args, names, wanted)


def headings(parsed_args: argparse.Namespace, columns: Sequence[str]) -> list[str]:
    """What the columns are called: their own names for machines, words for people."""
    if parsed_args.formatter != "table":
        return list(columns)
    parsed_args.columns = [words(name) for name in parsed_args.columns]
    return [words(name) for name in columns]


def words(name: str) -> str:
    """A column's name for people."""
    return name.removesuffix("_bytes").replace("_", " ")


def sort(rows: list[Sequence[Any]], indexes: list[int], parsed_args: argparse.Namespace) -> list[Sequence[Any]]:
    """The rows in the order of these columns; what is not known comes last."""
    for index in reversed(indexes):
        rows = sorted(rows, key=lambda row: sort_key(row[index]), reverse=parsed_args.sort_direction == "desc")
    return rows


def sort_key(value: Any) -> tuple[bool, Any]:
    """What a value is sorted by."""
    comparable = value if isinstance(value, int | float | str) else flat("", value)
    return value is None, "" if value is None else comparable


# --- what each format makes of a value --------------------------------------------------------------------------------


def plain(name: str, value: Any) -> Any:
    """For JSON and YAML: the value itself."""
    return value


def flat(name: str, value: Any) -> Any:
    """For CSV and plain values: one word or number, lists with commas, nothing for what is not known."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ",".join(f"{key}={flat('', member)}" for key, member in value.items())
    if isinstance(value, list | tuple):
        return ",".join(str(flat("", member)) for member in value)
    return printable(value) if isinstance(value, str) else value


def human(name: str, value: Any) -> Any:
    """For tables: sizes with units, a line per member, a dash for what is not known."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "\n".join(f"{printable(str(key))}={inline(member)}" for key, member in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(inline(member) if isinstance(member, dict) else str(human("", member)) for member in value)
    if name.endswith("_bytes"):
        return size(value)
    return printable(value, keep="\n") if isinstance(value, str) else value


def inline(value: Any) -> str:
    """A value inside a mapping of a table, in one line."""
    if isinstance(value, dict):
        return f"({', '.join(f'{key}={inline(member)}' for key, member in value.items())})"
    return str(human("", value)).replace("\n", ", ")


READY: Final[dict[str, Callable[[str, Any], Any]]] = {
    "table": human,
    "json": plain,
    "yaml": plain,
    "csv": flat,
    "value": flat,
}


def size(count: int) -> str:
    """Bytes as people say them."""
    amount = float(count)
    for unit in UNITS:
        if amount < 1024 or unit == UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:.4g} {unit}"
