"""`clemd doctor`: is this machine ready? Each finding comes with its mend."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psutil

from clemd.config import (
    Profile,
    Ready,
    RootKind,
    RootSettings,
    load_profile,
)
from clemd.driver_api import load_drivers
from clemd.errors import ClemdError, ProfileError, UsageError
from clemd.publishing import Bus
from clemd.reading import sandbox_report
from clemd.store import REMOTE_TYPES, filesystem_type, sqlite_finding
from clemd.supervising import configure_logging

from ._doctor_finding import FAIL, OK, WARN, Finding, Patient
from ._doctor_heat import levers, thermometer
from ._status import find_daemon

LEAST_FREE_GB, GOOD_FREE_GB = 1.0, 30.0
LEAST_WATCHES, LEAST_FILES = 8192, 256
GOOD_MEMORY_GB = 4.0
TORCH_LIMIT_S = 120.0
MOST_FOLDERS = 20_000
UNSYNCHRONISED = 5
_TORCH = """
import json, torch
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(json.dumps({"version": torch.__version__, "gpus": gpus,
                  "usable": torch.cuda.is_available()}))
"""


def examine(
    profile_file: Path | None,
    state: Path,
    *,
    as_json: bool,
    sample: Path | None = None,
) -> int:
    """Print every finding; 0 if none fails, else 2."""
    configure_logging("ERROR", json=False)
    findings = list(_findings(profile_file, state))
    if sample is not None:
        findings += _of_sample(profile_file, sample)
    is_ok = not any(finding.level == FAIL for finding in findings)
    if as_json:
        shown = {
            "schema": "clemd.doctor/1",
            "ok": is_ok,
            "findings": [asdict(finding) for finding in findings],
        }
        sys.stdout.write(json.dumps(shown) + "\n")
    else:
        sys.stdout.write("\n".join(_in_words(findings)) + "\n")
    return 0 if is_ok else 2


def _findings(profile_file: Path | None, state: Path) -> Iterator[Finding]:
    profile, checks = Profile(), CHECKS
    if profile_file is None:
        checks = CHECKS_WITHOUT_PROFILE
        yield Finding(
            level=WARN,
            what="profile",
            value="none given: folders and ports are not looked at",
            mend="use --profile FILE",
        )
    else:
        try:
            profile = load_profile(profile_file)
        except ProfileError as wrong:
            # what the defaults would say of it is no finding
            checks = CHECKS_OF_THE_MACHINE
            yield Finding(level=FAIL, what="profile", value=wrong.what, mend=wrong.mend)
        else:
            yield Finding(level=OK, what="profile", value=str(profile_file))
    running = find_daemon(state) is not None
    patient = Patient(profile=profile, state=state, is_running=running)
    for look in checks:
        try:
            yield from look(patient)
        except (OSError, ValueError, ClemdError, psutil.Error) as failed:
            what = look.__name__.removeprefix("_").replace("_", " ")
            yield Finding(
                level=WARN, what=what, value=f"could not be looked at: {failed}"
            )


def _of_sample(profile_file: Path | None, sample: Path) -> Iterator[Finding]:
    from ._doctor_sample import sample_findings

    try:
        profile = Profile() if profile_file is None else load_profile(profile_file)
    except ProfileError:  # said before
        return
    yield from sample_findings(profile, sample)


def _python(_: Patient) -> Iterator[Finding]:
    yield Finding(level=OK, what="Python", value=platform.python_version())


def _database(_: Patient) -> Iterator[Finding]:
    found = sqlite_finding()
    if "has the WAL-reset bug" not in found:
        yield Finding(level=OK, what="SQLite", value=found)
        return
    value, _colon, mend = found.partition(": ")
    yield Finding(level=WARN, what="SQLite", value=value, mend=mend)


def _torch(patient: Patient) -> Iterator[Finding]:
    # A child: the libraries take seconds and hundreds of megabytes.
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _TORCH],
            capture_output=True,
            text=True,
            timeout=TORCH_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding(
            level=FAIL,
            what="torch",
            value=f"did not load within {TORCH_LIMIT_S:.0f} s",
            mend="look at the machine's load and at the GPU's driver",
        )
        return
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding(
            level=FAIL, what="torch", value=last, mend="install clemd's requirements"
        )
        return
    facts = json.loads(done.stdout.splitlines()[-1])
    yield Finding(level=OK, what="torch", value=facts["version"])
    yield _device(patient.profile.registration.device, facts)


def _device(wanted: str, facts: dict[str, Any]) -> Finding:
    if facts["usable"]:
        return Finding(level=OK, what="device", value=", ".join(facts["gpus"]))
    if wanted.startswith("cuda"):
        return Finding(
            level=FAIL,
            what="device",
            value=f"the profile asks for {wanted}, torch finds no GPU",
            mend="install the GPU's driver, or set registration.device to auto",
        )
    cores = os.cpu_count()
    return Finding(level=OK, what="device", value=f"CPU, {cores} cores; no GPU found")


def _sandbox(_: Patient) -> Iterator[Finding]:
    for layer in sandbox_report():
        is_child = layer.name == "child"
        mend = (
            "no file can be read: mend the installation"
            if is_child
            else "a newer kernel, or allow it in the service's settings"
        )
        yield Finding(
            level=OK if layer.active else FAIL if is_child else WARN,
            what=f"sandbox {layer.name}",
            value=layer.detail,
            mend="" if layer.active else mend,
        )


def _drivers(_: Patient) -> Iterator[Finding]:
    for group, level in (
        ("clemd.formats", FAIL),
        ("clemd.sensors", WARN),
        ("clemd.simulators", WARN),
    ):
        names = sorted(point.name for point in entry_points(group=group))
        what = f"drivers {group.removeprefix('clemd.')}"
        try:
            for _driver in load_drivers(group):
                pass
        except (ImportError, AttributeError) as broken:
            yield Finding(
                level=FAIL, what=what, value=str(broken), mend="reinstall that driver"
            )
            continue
        yield Finding(
            level=OK if names else level,
            what=what,
            value=", ".join(names) or "none installed",
            mend="" if names else "reinstall clemd",
        )


def _timezone(patient: Patient) -> Iterator[Finding]:
    # A profile with a name that this machine does not know was refused before.
    yield Finding(level=OK, what="timezone", value=patient.profile.timezone)


def _clock(_: Patient) -> Iterator[Finding]:
    libc = ctypes.CDLL(None)
    # A zeroed `struct timex` (208 bytes on 64-bit Linux) asks and sets nothing.
    answer = libc.adjtimex(ctypes.create_string_buffer(512))
    is_right = answer not in {UNSYNCHRONISED, -1}
    yield Finding(
        level=OK if is_right else WARN,
        what="clock",
        value="synchronised" if is_right else "not synchronised to a time server",
        mend="" if is_right else "turn on NTP: images are also paired by their time",
    )


def _limits(_: Patient) -> Iterator[Finding]:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    enough = files == resource.RLIM_INFINITY or files >= LEAST_FILES
    yield Finding(
        level=OK if enough else FAIL,
        what="open files",
        value="no limit" if files == resource.RLIM_INFINITY else str(files),
        mend="" if enough else f"raise RLIMIT_NOFILE to {LEAST_FILES} or more",
    )
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if space != resource.RLIM_INFINITY:
        yield Finding(
            level=WARN,
            what="address space",
            value=f"limited to {space / 1e9:.1f} GB",
            mend="lift RLIMIT_AS: CUDA and memory-mapped images need room",
        )
    memory_gb = psutil.virtual_memory().total / 1e9
    is_enough = memory_gb >= GOOD_MEMORY_GB
    yield Finding(
        level=OK if is_enough else WARN,
        what="memory",
        value=f"{memory_gb:.1f} GB",
        mend="" if is_enough else "large images may not fit",
    )


def _state_folder(patient: Patient) -> Iterator[Finding]:
    state = patient.state
    where = state
    while not where.exists():
        where = where.parent
    kind = _filesystem(where)
    if kind in REMOTE_TYPES:
        yield Finding(
            level=FAIL,
            what="state folder",
            value=f"{state} is on a network file system ({kind})",
            mend="set CLEMD_STATE to a folder on a local disk",
        )
        return
    read_only = bool(os.statvfs(where).f_flag & os.ST_RDONLY)
    if not where.is_dir() or read_only or not os.access(where, os.W_OK | os.X_OK):
        yield Finding(
            level=FAIL,
            what="state folder",
            value=f"{where} cannot be written",
            mend="give the daemon's user permission, or set CLEMD_STATE",
        )
        return
    note = "a daemon runs on it" if patient.is_running else "free"
    note = note if where == state else "will be made"
    yield Finding(level=OK, what="state folder", value=f"{state} ({kind}, {note})")
    free_gb = shutil.disk_usage(where).free / 1e9
    level = (
        OK if free_gb >= GOOD_FREE_GB else WARN if free_gb >= LEAST_FREE_GB else FAIL
    )
    yield Finding(
        level=level,
        what="disk space",
        value=f"{free_gb:.1f} GB free",
        mend="" if level == OK else f"make room: {GOOD_FREE_GB:.0f} GB is comfortable",
    )


def _roots(patient: Patient) -> Iterator[Finding]:
    if not patient.profile.roots:
        yield Finding(
            level=FAIL,
            what="roots",
            value="the profile watches no folder",
            mend="add a [[roots]] entry",
        )
    for root in patient.profile.roots:
        yield _root(root, patient.state.resolve())


def _root(root: RootSettings, state: Path) -> Finding:
    def finding(level: str, value: str, mend: str = "") -> Finding:
        return Finding(level=level, what=f"root {root.name}", value=value, mend=mend)

    path = root.path
    is_share = root.kind is RootKind.SHARE
    if not path.is_dir():
        level, mend = (
            (WARN, "mount the share; the daemon waits for it")
            if is_share
            else (FAIL, "create the folder or correct the path")
        )
        return finding(level, f"{path} is not a folder", mend)
    if not os.access(path, os.R_OK | os.X_OK):
        return finding(
            FAIL, f"{path} may not be read", "give the daemon's user read permission"
        )
    inside = path.resolve()
    if inside.is_relative_to(state) or state.is_relative_to(inside):
        return finding(
            FAIL,
            f"{path} and the state folder lie inside each other",
            "keep the state folder out of what is watched",
        )
    kind = _filesystem(path)
    is_remote = kind in REMOTE_TYPES
    if is_remote and not is_share:
        level = FAIL if root.ready is Ready.CLOSE else WARN
        return finding(
            level,
            f"{path} is on a network file system ({kind}), the profile says local",
            'set kind = "share": no event tells what other hosts write',
        )
    if is_share and not is_remote:
        return finding(
            WARN,
            f"{path} is on a local disk ({kind or 'unknown'}), the profile says share",
            'set kind = "local" if only this machine writes there; it is faster',
        )
    return finding(OK, f"{path} ({kind or 'unknown'}, {root.kind.value})")


def _inotify(patient: Patient) -> Iterator[Finding]:
    most = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text("ascii"))
    needed = sum(
        _folders(root.path)
        for root in patient.profile.roots
        if root.kind is RootKind.LOCAL
    )
    enough = most >= max(LEAST_WATCHES, 2 * needed)
    yield Finding(
        level=OK if enough else WARN,
        what="inotify",
        value=f"{most} watches allowed, {needed} folders watched",
        mend=""
        if enough
        else "raise fs.inotify.max_user_watches; until then only scans find files",
    )


def _folders(root: Path) -> int:
    count = 0
    for count, _entry in enumerate(os.walk(root), 1):
        if count >= MOST_FOLDERS:
            break
    return count


def _page_port(patient: Patient) -> Iterator[Finding]:
    page = patient.profile.page
    where = f"{page.host}:{page.port}"
    if not page.enabled or page.port == 0:
        value = "any free port" if page.enabled else "switched off"
        yield Finding(level=OK, what="page", value=value)
        return
    if patient.is_running:
        yield Finding(level=OK, what="page", value=f"{where}, a daemon runs")
        return
    family = socket.AF_INET6 if ":" in page.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((page.host, page.port))
            # Another socket may share the address until one of them listens.
            sock.listen(1)
        except OSError as failed:
            yield Finding(
                level=FAIL,
                what="page",
                value=f"{where}: {failed.strerror}",
                mend="stop the other program, or set page.port or page.host",
            )
            return
    yield Finding(level=OK, what="page", value=f"{where} is free")


def _bus(patient: Patient) -> Iterator[Finding]:
    settings = patient.profile.bus
    shown = [e or "ipc socket" for e in (settings.publish, settings.command)]
    value = f"results {shown[0]}, commands {shown[1]}"
    if not settings.enabled or patient.is_running:
        value = f"{value}, a daemon runs" if settings.enabled else "switched off"
        yield Finding(level=OK, what="bus", value=value)
        return
    with tempfile.TemporaryDirectory(prefix="clemd-") as folder:
        try:
            asyncio.run(_try_bus(patient, Path(folder)))
        except UsageError as wrong:
            yield Finding(
                level=FAIL,
                what="bus",
                value=f"{wrong.what} ({wrong.where})",
                mend=wrong.mend,
            )
            return
    yield Finding(level=OK, what="bus", value=value)


async def _try_bus(patient: Patient, folder: Path) -> None:
    """Open the very sockets that the daemon will, and close them."""

    async def decline(*_: object) -> dict[str, Any]:
        return {}

    bus = Bus(
        patient.profile.bus,
        state=folder,
        run_epoch="doctor",
        snapshot=lambda: {"seq": 0, "topic_seq": {}},
        replay=lambda _after, _limit: [],
        commands=decline,
    )
    try:
        await bus.start()
    finally:
        await bus.close()


def _filesystem(path: Path) -> str:
    text = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape")
    return filesystem_type(path, text)


CHECKS_OF_THE_MACHINE: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    _python, _database, _torch, levers, _sandbox, _drivers, _clock, _limits,
    _state_folder,
)  # fmt: skip
CHECKS_WITHOUT_PROFILE = (*CHECKS_OF_THE_MACHINE, thermometer, _timezone)
CHECKS = (*CHECKS_WITHOUT_PROFILE, _roots, _inotify, _page_port, _bus)


def _in_words(findings: list[Finding]) -> Iterator[str]:
    width = max(40, shutil.get_terminal_size().columns)
    for finding in findings:
        text = f"{finding.what}: {finding.value}"
        text += f" -> {finding.mend}" if finding.mend else ""
        yield from textwrap.wrap(
            text,
            width,
            initial_indent=f"{finding.level:5}",
            subsequent_indent=" " * 7,
            break_on_hyphens=False,
        )
    failed = sum(finding.level == FAIL for finding in findings)
    yield "this machine is ready" if not failed else f"{failed} to mend before it runs"
