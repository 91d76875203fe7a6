"""The values of a driver's options, as the driver sees them."""

from collections.abc import Iterator, Mapping
from typing import Any

from nova_virt_api.config.value import shown
from nova_virt_api.model.secret import Secret


class Options(Mapping[str, Any]):
    """Read-only values by attribute or key, like an oslo.config group's; secret ones are of type ``Secret``."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"no option {name!r}") from None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        pairs = (
            f"{name}={value if isinstance(value, Secret) else shown(value)}" for name, value in self._values.items()
        )
        return f"Options({', '.join(pairs)})"
