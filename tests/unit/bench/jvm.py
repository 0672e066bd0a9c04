"""A stand-in for the JVM with BenchClient: it speaks the same protocol, and its cluster answers in 1 ms.

Started as a Java launcher would be: the class is followed by the role. What it does wrong is in FAULT.
"""

from __future__ import annotations

import os
import struct
import sys
import time

IN, OUT = sys.stdin.buffer, sys.stdout.buffer
MS = 1_000_000


def counted() -> bytes:
    (length,) = struct.unpack(">i", IN.read(4))
    return IN.read(length)


def say(*parts: bytes) -> None:
    for part in parts:
        OUT.write(part)
    OUT.flush()


def column(values: list[int]) -> bytes:
    return struct.pack(f">i{len(values)}q", len(values), *values)


def text(words: str) -> bytes:
    return struct.pack(">i", len(words)) + words.encode()


def main() -> None:
    role, fault = sys.argv[-1], os.environ.get("FAULT", "")
    settings, topic = counted().decode(), counted().decode()
    _partitions, _turns, _group, _run, _grace = struct.unpack(">i??qq", IN.read(22))
    offsets: list[int] = []
    if role == "produce":
        counted()  # the filler
        (count,) = struct.unpack(">i", IN.read(4))
        offsets = list(struct.unpack(f">{count}q", IN.read(8 * count)))
        IN.read(4)  # most in flight
    if fault == "dies":
        sys.exit("no class def found")
    if fault == "refuses":
        say(b"F", text(f"ConfigException: {topic} {settings.splitlines()[0]}"))
        return
    say(b"R")
    while (kind := IN.read(1)) == b"p":
        say(struct.pack(">q", time.monotonic_ns()))
    assert kind == b"s"
    (start,) = struct.unpack(">q", IN.read(8))
    if role == "produce":
        intended = [start + offset for offset in offsets]
        acked = [at + MS for at in intended]
        if fault == "loses":
            acked[-1] = -1
        say(b"D", struct.pack(">di", 0.5, int(fault == "loses")))
        if fault == "loses":
            say(text("TimeoutException"), struct.pack(">i", 1))
        say(column(intended), column(intended), column(acked))
        return
    (wanted,) = struct.unpack(">q", IN.read(8))
    at = [start + 10 * MS * number for number in range(wanted)]
    say(b"D", struct.pack(">di", 0.25, 1), text("damaged"), struct.pack(">i", 0))
    say(column(list(range(wanted))), column(at), column(at), column([each + 2 * MS for each in at]))


main()
