"""What all of these tests hold: whatever comes in, there is a right answer or a `UserError`, in bounded time and memory.

`RIBOSPACE_FUZZ_CASES=2000 pytest tests/fuzzing` is the long run; without it each test takes a few cases.
"""

# ruff: noqa: RUF005

import contextlib
import copy
import json
import os
import random
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from ribospace.errors import UserError

CASES = int(os.environ.get("RIBOSPACE_FUZZ_CASES", "0"))
MEMORY = 6 << 30  # bytes that a test may take beside what the process has

#: Any value that JSON can hold, the odd ones often.
ODD = st.sampled_from(
    [None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 10**400, 1.5, -0.0, float("nan"), float("inf"), 1e308]
    + ["", "\0", "\ud800", "ä", "a\nb", "../..", "x" * 5000, [], {}, [[]], {"": {}}, ["a", "a"], [1, None]]
).map(copy.deepcopy)  # as tests change what they draw
JSON = st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)


def cases(few: int) -> settings:
    """So many examples, or as many as the long run asks for (a tenth of these where one takes long: `few` under 20)."""
    many = max(few, CASES if few >= 20 else CASES // 10)
    return settings(
        max_examples=many, deadline=None, database=None, derandomize=not CASES, suppress_health_check=list(HealthCheck)
    )


def survives(action, *arguments, **how):
    """The answer, or None where it is refused in a sentence; any other error is the test's."""
    try:
        return action(*arguments, **how)
    except UserError as error:
        said = str(error)
        assert said.strip(), "a refusal says something"
        return None


@contextlib.contextmanager
def bounded_memory(most: int = MEMORY):
    """A limit on the memory of this process, so that what would be allocated without end fails at once.

    None where the process cannot be told what it has: without Linux's /proc.
    """
    taken = Path("/proc/self/statm")
    if not taken.exists():
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    there = int(taken.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (there + most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def mutated(data: bytes, seed: int, many: int = 6) -> bytes:
    """Bytes with some bits turned, pieces taken out, repeated, put elsewhere, or cut off at the end."""
    draw = random.Random(seed)
    whole = bytearray(data)
    for _ in range(draw.randint(1, many)):
        at = draw.randrange(len(whole) + 1)
        piece = draw.choice([1, 1, 2, 8, 64, 1024])
        match draw.randrange(7):
            case 0 if at < len(whole):
                whole[at] ^= 1 << draw.randrange(8)
            case 1:
                del whole[at : at + piece]
            case 2:
                whole[at:at] = whole[at : at + piece] * draw.choice([1, 2, 100])
            case 3:
                whole[at:at] = draw.randbytes(piece)
            case 4:
                whole[at : at + piece] = bytes(len(whole[at : at + piece]))
            case 5:
                whole[at:at] = draw.choice(SIGNS)
            case _:
                del whole[at:]
    return bytes(whole)


SIGNS = [
    b"\0", b">", b"@", b"+", b"\n>", b"\r\n", b"\r", b"\n\n", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3\x28", b"\t", b'"', b";",
    b"-", b".", b"*", b"T", b"u", b"N" * 1000, b" " * 100, b"\x1f\x8b", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\x00" * 64,
    b"\x7f\xff\xff\xff\xff\xff\xff\xff", b"\xff" * 8,
]  # fmt: skip


def places(tree, path=()):
    """Paths to every value of nested dictionaries and lists."""
    yield path
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(value, (*path, key))


@st.composite
def changed(draw, tree):
    """A nested dictionary with one to three of its values made odd, taken out, or given a neighbour."""
    tree = json.loads(json.dumps(tree))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([one for one in places(tree) if one]))
        inner = tree
        for key in path[:-1]:
            inner = inner[key]
        match draw(st.sampled_from(["odd", "odd", "gone", "more"])):
            case "odd":
                inner[path[-1]] = draw(JSON)
            case "gone":
                del inner[path[-1]]
            case _ if isinstance(inner, dict):
                inner[draw(st.text(max_size=8))] = draw(JSON)
        if not any(places(tree)):
            break
    return tree


def finite(vectors) -> bool:
    """Whether all numbers are."""
    return bool(np.isfinite(np.asarray(vectors)).all())
