"""Whether the Python packages that bring programs (Java, PostgreSQL) are whole: a file cut short ends in riddles."""

from __future__ import annotations

import functools
import sys
from importlib import metadata
from pathlib import Path

from backbone.errors import ExitCode, StackError

_SHOWN = 3


@functools.cache
def demand(package: str) -> None:
    """Raise StackError("package-damaged") if a file of an installed package is missing or has not its recorded size.

    The sizes are those of the package's own RECORD; what the programs made beside is not looked at.
    """
    damaged = []
    for file in metadata.distribution(package).files or ():
        try:
            if file.size is not None and Path(file.locate()).stat().st_size != file.size:
                damaged.append(str(file))
        except OSError:
            damaged.append(str(file))
    if damaged:
        more = f" and {len(damaged) - _SHOWN} more" if len(damaged) > _SHOWN else ""
        raise StackError(
            "package-damaged",
            f"the package {package} is damaged: {len(damaged)} of its files are missing or cut short",
            context=", ".join(damaged[:_SHOWN]) + more,
            hint=f"{sys.executable} -m pip install --force-reinstall --no-deps {package}=={metadata.version(package)}",
            exit_code=ExitCode.ENVIRONMENT,
        )
