"""Where to compute and in which precision."""

from __future__ import annotations

import ctypes

import torch

from ribospace.errors import UserError, nearest

PRECISIONS = ("auto", "fp32", "bf16")


def pick_device() -> torch.device:
    """Give CUDA, else Apple's MPS, else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 products are native on the device, so that they pay."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check)() for check in checks if hasattr(torch.cpu, check))


def use_bf16(precision: str, device: torch.device) -> bool:
    """Decide on bf16: "auto" takes it where it is native.

    Raises
    ------
    UserError
        For a precision that does not exist.
    """
    if precision not in PRECISIONS:
        raise UserError(f"Unknown precision {precision!r}. {nearest(precision, PRECISIONS)}")
    return precision == "bf16" or (precision == "auto" and has_bf16(device))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        said in str(error) for said in ("not enough memory", "out of memory")
    )


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next step, where it would give it back to the system.

    A training step frees what the next one needs again, and fresh pages cost more time than what is written to them: a
    wide feed-forward layer takes 46 ms in place of 63 (8,192 tokens, 64 × 2048). The process stays as large as its
    largest step.

    Returns
    -------
    bool
        Whether this is glibc and it obeyed.
    """
    trim_threshold, mmap_max = -1, -4  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # TypeError: Windows has no library of the process itself
        return False
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, 2**31 - 1))
