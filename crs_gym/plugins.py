"""Finding a plug-in by name: an entry point of any installed package, one registered here, or `module:attribute`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from crs_gym.errors import UnknownNameError

Entry = TypeVar("Entry")


class PluginRegistry(Generic[Entry]):
    """Entries of one kind by name. Entry points are read on first use, and each is imported when it is asked for.

    Args:
        what: What an entry is called in messages.
        group: The entry-point group, e.g. `crs_gym.agents`.
        kind: The class of an entry.
    """

    def __init__(self, what: str, group: str, kind: type[Entry]) -> None:
        self._what = what
        self._group = group
        self._kind = kind
        self._registered: dict[str, Entry] = {}
        self._entry_points: dict[str, EntryPoint] | None = None

    def register(self, name: str, entry: Entry) -> None:
        """Add an entry in this process; it wins over an entry point of the same name."""
        if not isinstance(entry, self._kind):
            raise ValueError(f"{self._what} {name!r} must be a {self._kind.__name__}, not a {type(entry).__name__}")
        self._registered[name] = entry

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._registered, *self._found()}))

    def __contains__(self, name: object) -> bool:
        return name in self._registered or name in self._found()

    def __getitem__(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
            UnknownNameError: No such entry.
        """
        if name in self._registered:
            return self._registered[name]
        if name not in self._found():
            raise UnknownNameError(self._what, name, self)
        entry = self._found()[name].load()
        if not isinstance(entry, self._kind):
            raise ValueError(f"{self._what} {name!r} must be a {self._kind.__name__}, not a {type(entry).__name__}")
        return entry

    def find(self, spec: str) -> tuple[object, str, str | None]:
        """What `spec` stands for, its label, and the text behind its colon.

        Args:
            spec: `name`, `name:argument` or `module:attribute`; a registered name wins over a module.

        Raises:
            UnknownNameError: Neither a registered name nor an importable `module:attribute`.
        """
        name, colon, argument = spec.partition(":")
        if name in self:
            return self[name], name, argument if colon else None
        if not colon:
            raise UnknownNameError(self._what, spec, self)
        try:
            attribute: object = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and not f"{name}.".startswith(f"{error.name}."):
                raise  # the module is there, and an import inside it failed
            raise UnknownNameError(self._what, spec, self) from error
        for part in argument.split("."):
            if not hasattr(attribute, part):
                raise ValueError(f"{self._what} {spec!r}: module {name} has no attribute {argument!r}")
            attribute = getattr(attribute, part)
        return attribute, argument, None

    def _found(self) -> dict[str, EntryPoint]:
        if self._entry_points is None:
            self._entry_points = {point.name: point for point in entry_points(group=self._group)}
        return self._entry_points
