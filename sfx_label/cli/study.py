"""`study`."""

from __future__ import annotations

from sfx_label.cli.command import Command

COMMANDS: tuple[Command, ...] = ()
