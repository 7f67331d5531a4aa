"""Where it was measured, and with what."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import psutil

LIBRARIES = ("ray", "tensorflow", "keras", "optuna", "keras-tuner", "numpy")
CPU_INFO = Path("/proc/cpuinfo")


def machine() -> dict[str, str]:
    return {
        "cores": f"{os.cpu_count()}",
        "CPU": _cpu_model(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }


def versions() -> dict[str, str]:
    return {"orchestrator": version("orchestrator"), "Python": sys.version.split()[0]} | {
        name: version(name) for name in LIBRARIES
    }


def _cpu_model() -> str:
    try:
        lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
