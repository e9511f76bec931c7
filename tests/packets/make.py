#!/usr/bin/env python3
"""Writes the packet suite: packets in, and what must come out, as scapy makes both.

  make.py            writes suite/*.toml and planned/*.toml beside this file
  make.py --check    exit 1 if what is there is not what would be written

Expected packets are made from the fields that they must have, never from what the program
sent. `planned` has the cases of what the packet path is yet to learn: a subject moves from
PLANNED to SUITE when it has.
"""

import pathlib
import sys

from cases import arp, drops, echo, layer2, modes, nat, neighbors, options, sizes, workers
from cases import errors, fragments, ipv6
from cases.writing import document

HERE = pathlib.Path(__file__).parent
SUITE = [arp, drops, echo, layer2, nat, neighbors, options, sizes, workers]
PLANNED = [errors, fragments, ipv6, modes]


def files():
    """Path and text of every file."""
    for folder, subjects in (("suite", SUITE), ("planned", PLANNED)):
        for subject in subjects:
            name = subject.__name__.rpartition(".")[2]
            yield HERE / folder / f"{name}.toml", document(subject)


def stale():
    """What is there and would not be written, or would be written otherwise."""
    wanted = dict(files())
    present = {path for folder in ("suite", "planned") for path in (HERE / folder).glob("*.toml")}
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
