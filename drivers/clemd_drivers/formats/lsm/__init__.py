"""LSM: what the software of Zeiss LSM 5 to LSM 880 confocals writes; TIFF inside."""

from ._reader import DRIVER, LsmDriver

__all__ = ["DRIVER", "LsmDriver"]
