"""Which device computes, and in which dtype."""

import torch


def checked_device(device: str | torch.device | None) -> torch.device:
    """The device asked for if this computer has it; for `None` the fastest: CUDA, MPS or CPU.

    Raises:
        ValueError: This computer has no such device.
    """
    here = ["cpu"]
    if torch.backends.mps.is_available():
        here.insert(0, "mps")
    if torch.cuda.is_available():
        here[:0] = ["cuda", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    if device is None:
        return torch.device(here[0])
    if str(device).removesuffix(":0") not in here:  # torch's own name of the first of a kind
        raise ValueError(
            f"device must be one that torch finds on this computer ({', '.join(here)}); got "
            f"{str(device)!r}. Leave it out to take the fastest."
        )
    return torch.device(device)


def release_cached_memory() -> None:
    """Give the memory back that torch keeps on an accelerator for later."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def checked_dtype(dtype: torch.dtype | None, device: torch.device) -> torch.dtype:
    """The dtype asked for if the device is good at it; for `None` float16 on CUDA, else float32.

    Raises:
        TypeError: `dtype` is no `torch.dtype`.
        ValueError: It is not one of the three, or this device cannot compute in it.
    """
    if dtype is None:
        return torch.float16 if device.type == "cuda" else torch.float32
    names = "torch.float32, torch.float16 or torch.bfloat16"
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"dtype must be {names}; got {dtype!r} ({type(dtype).__name__})")
    if dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise ValueError(f"dtype must be {names}; got {dtype}")
    if dtype == torch.float16 and device.type == "cpu":
        raise ValueError(
            "dtype must be torch.float32 or torch.bfloat16 on the CPU, which takes more than ten "
            "times as long with torch.float16; got torch.float16"
        )
    if dtype == torch.bfloat16 and device.type == "cuda" and not has_bfloat16(device):
        raise ValueError(
            "dtype must be torch.float16 or torch.float32 on a "
            f"{torch.cuda.get_device_name(device)}, which has no arithmetic for torch.bfloat16; "
            "got torch.bfloat16"
        )
    return dtype


def has_bfloat16(device: torch.device) -> bool:
    """Whether a CUDA device computes in bfloat16 itself (Ampere, 8.0, and later; a T4 is 7.5).

    `torch.cuda.is_bf16_supported()` also counts slow emulation, so it says yes on a T4.
    """
    return torch.cuda.get_device_capability(device) >= (8, 0)
