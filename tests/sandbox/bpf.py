"""Classic BPF as seccomp(2) runs it: what a filter answers to one system call."""

from __future__ import annotations

import struct
from collections.abc import Sequence

INSTRUCTION = struct.Struct("<HBBI")
DATA = struct.Struct("<iIQ6Q")  # struct seccomp_data: nr, arch, instruction_pointer, args


def answer(code: bytes, arch: int, number: int, arguments: Sequence[int] = ()) -> int:
    """The value that the filter returns; raises where it runs out of itself, loads unaligned, or knows no operation."""
    padded = [each & 0xFFFF_FFFF_FFFF_FFFF for each in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    data = DATA.pack(number - (1 << 32) if number >= 1 << 31 else number, arch, 0, *padded)
    lines = [INSTRUCTION.unpack_from(code, at) for at in range(0, len(code), INSTRUCTION.size)]
    at, accumulator = 0, 0
    while True:
        operation, if_true, if_false, operand = lines[at]
        at += 1
        if operation == 0x20:
            assert operand % 4 == 0
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif operation == 0x06:
            return int(operand)
        else:
            holds = {0x15: accumulator == operand, 0x35: accumulator >= operand, 0x45: bool(accumulator & operand)}
            at += if_true if holds[operation] else if_false
