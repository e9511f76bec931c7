#!/usr/bin/env python3
"""The judge judges: every bit of damage to what it computes is seen, and nothing else is."""

import sys

from cases import arp, echo, errors, ipv6, modes, nat, options, sizes
from reference import problems

# Of each subject, frames that scapy made: right by construction.
SUBJECTS = (arp, echo, errors, ipv6, modes, nat, options, sizes)


def frames():
    for subject in SUBJECTS:
        for case in subject.cases():
            if case.keys.get("wrong_checksums"):
                continue
            for step in case.steps:
                # Not those with bytes that are not compared.
                yield from (bytes(frame) for _, frame in step.out if not isinstance(frame, list))


def damaged(frame):
    """The frame with a bit of its last byte changed, which only data covers."""
    return frame[:-1] + bytes([frame[-1] ^ 1])


def has_sum_over_data(frame):
    """True if a checksum covers the last byte: TCP, ICMP, or UDP with a checksum, over untagged IPv4."""
    if frame[12:14] != b"\x08\x00" or len(frame) < 43 or frame[14] != 0x45:
        return False
    return frame[23] in (1, 6) or (frame[23] == 17 and frame[40:42] != b"\0\0")


def main():
    right, wrong = 0, 0
    for frame in frames():
        found = list(problems(frame))
        assert not found, (found, frame.hex())
        right += 1
        if has_sum_over_data(frame):
            assert list(problems(damaged(frame))), f"damage to {frame.hex()} is not seen"
            wrong += 1
    print(f"{right} right frames are right, {wrong} damaged ones are not")
    sys.exit(0 if right and wrong else 1)


if __name__ == "__main__":
    main()
