"""Where to compute and in which precision."""

from __future__ import annotations

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
