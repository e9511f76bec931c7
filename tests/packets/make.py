#!/usr/bin/env python3
"""Writes the packet suite: packets in, and what must come out, as scapy makes both.

  make.py            writes suite/*.toml beside this file
  make.py --check    exit 1 if what is there is not what would be written

Expected packets are made from the fields that they must have, never from what the program
sent.
"""

import pathlib
import sys

from cases import (
    arp, drops, echo, endings, errors, fragments, ipv6, layer2, modes, nat, neighbors, options, protection, refusals,
    sizes, workers,
)
from cases.writing import document

HERE = pathlib.Path(__file__).parent
SUBJECTS = [
    arp, drops, echo, endings, errors, fragments, ipv6, layer2, modes, nat, neighbors, options, protection, refusals,
    sizes, workers,
]


def files():
    """Path and text of every file."""
    for subject in SUBJECTS:
        name = subject.__name__.rpartition(".")[2]
        yield HERE / "suite" / f"{name}.toml", document(subject)


def stale():
    """What is there and would not be written, or would be written otherwise."""
    wanted = dict(files())
    present = set((HERE / "suite").glob("*.toml"))
    for path in sorted(present | set(wanted)):
        if not path.exists() or path.read_text() != wanted.get(path):
            yield path.relative_to(HERE)


def main():
    if sys.argv[1:] == ["--check"]:
        found = list(stale())
        for path in found:
            print(f"tests/packets/{path} is not what make.py writes: run it, and look at the change")
        raise SystemExit(1 if found else 0)
    for path, text in files():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
