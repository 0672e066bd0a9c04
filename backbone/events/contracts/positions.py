"""Where a value stands in a YAML or JSON file, so that a finding can name the line."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

Step: TypeAlias = str | int


def line_of(text: str, path: Sequence[Step]) -> int:
    """Return the line (from 1) of the value at `path`, or of the nearest value around it that there is.

    JSON is read as the YAML that it nearly is; text that YAML refuses (tabs as indentation) gives line 1.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return 1
    line = 1
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line


def _child(node: yaml.Node | None, step: Step) -> tuple[int, yaml.Node] | None:
    """Return the line of a key or item and the node of its value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item.start_mark.line + 1, item
    return None
