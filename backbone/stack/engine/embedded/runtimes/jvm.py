"""What the JVM services share: the command line, with the start-up cache that belongs to it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from backbone.stack.engine.embedded import aot, jre
from backbone.stack.engine.embedded.local_service import Launch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from backbone.stack.engine.embedded.local_service import LocalService

ENV: Mapping[str, str] = MappingProxyType({"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
"""What every JVM gets. Without a UTF-8 locale it would read no argument and open no file with a name beyond ASCII."""


def launch(
    local: LocalService,
    *,
    main: Sequence[str],
    classpath: Sequence[Path],
    flags: Sequence[str],
    env: Mapping[str, str],
) -> Launch:
    """Return the command for a main class (with its arguments) under the packaged runtime."""
    cache = aot.cache_for(
        local.cache_dir / aot.FOLDER,
        name=str(local.service.embedded["runtime"]),
        jre=jre.version(),
        classpath=classpath,
        # Of an agent its jar counts, not its arguments: the nodes differ in those and share one cache.
        flags=[
            flag.partition("=")[0] if flag.startswith("-javaagent:") else flag for flag in flags if flag[:2] != "-D"
        ],
    )
    argv = (
        str(jre.java()),
        *flags,
        f"-Djdk.net.hosts.file={local.hosts_file}",
        # Codecs unpack a library there and load it, which a /tmp mounted noexec does not let them.
        f"-Djava.io.tmpdir={local.temporary}",
        "-cp",
        ":".join(map(str, classpath)),
        *main,
    )
    return Launch(argv=argv, env={**ENV, **env}, cache=cache)
