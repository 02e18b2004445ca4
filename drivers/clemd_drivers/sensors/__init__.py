"""Temperature sensors: `nvml` (NVIDIA GPUs), `hwmon` (CPU), `replay` (a recording)."""
