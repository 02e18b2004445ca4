"""The bus listens where strangers cannot, and says so when asked for more."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from clemd.config import BusSettings
from clemd.errors import ProfileError
from clemd.publishing import BusCard, Endpoints, read_card
from clemd.publishing._endpoint import (
    check_endpoint,
    choose_endpoints,
    is_loopback,
    make_run_folder,
    make_socket_folder,
    remove_card,
    write_card,
)

CARD = BusCard(
    endpoints=Endpoints(publish="ipc:///p", command="ipc:///c"), run_epoch="e"
)


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://127.0.0.1:5555", "tcp://[::1]:0", "tcp://localhost:*", "ipc:///a"],
)
def test_loopback_and_files_need_no_keys(endpoint: str) -> None:
    """Only this machine reaches them."""
    check_endpoint("bus.publish", endpoint, has_keys=False)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://*:5555",
        "tcp://0.0.0.0:5555",
        "tcp://[::]:5555",
        "tcp://192.168.1.5:1",
        "tcp://eth0:5555",
        "tcp://127.0.0.1.example.org:5555",
    ],
)
def test_network_address_without_keys_is_refused(endpoint: str) -> None:
    """The same address passes as soon as keys are set."""
    with pytest.raises(ProfileError, match="needs keys"):
        check_endpoint("bus.publish", endpoint, has_keys=False)

    check_endpoint("bus.publish", endpoint, has_keys=True)


@pytest.mark.parametrize(
    "endpoint",
    [
        "ipc://@clemd",
        "ipc://here.sock",
        "ipc:///" + "x" * 107,
        "inproc://a",
        "pgm://a:1",
        "tcp://127.0.0.1",
        "udp://127.0.0.1:1",
        "",
        "tcp://127.0.0.1:5;tcp://0.0.0.0:6",
    ],
)
def test_other_addresses_are_refused_even_with_keys(endpoint: str) -> None:
    """An abstract ipc name, for one, has no file and so no permissions."""
    with pytest.raises(ProfileError, match=r"bus\.command = "):
        check_endpoint("bus.command", endpoint, has_keys=True)


def test_loopback_is_decided_by_address_not_by_spelling() -> None:
    """A name that looks local may resolve to anywhere."""
    assert [is_loopback(h) for h in ("127.8.9.1", "[::1]", "localhost")] == [True] * 3
    assert not any(is_loopback(h) for h in ("127.0.0.1.evil", "*", "[::]", "10.0.0.1"))


def test_one_key_setting_without_the_other_is_refused(tmp_path: Path) -> None:
    """Encryption without an allow-list lets every key in."""
    settings = BusSettings(curve_secret_file=tmp_path / "a")

    with pytest.raises(ProfileError, match="go together"):
        choose_endpoints(settings, tmp_path)


def test_key_folder_that_anybody_can_write_is_refused(tmp_path: Path) -> None:
    """Whoever may add a file may let himself in."""
    folder = tmp_path / "keys"
    folder.mkdir()
    folder.chmod(0o777)
    settings = BusSettings(curve_secret_file=tmp_path / "a", authorised_keys=folder)

    with pytest.raises(ProfileError, match="chmod o-w"):
        choose_endpoints(settings, tmp_path)


def test_run_folder_is_for_one_user_even_if_it_was_not(tmp_path: Path) -> None:
    """An older umask must not leave the sockets open to others."""
    (tmp_path / "run").mkdir(mode=0o755)

    folder = make_run_folder(tmp_path)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_planted_run_folder_is_refused(tmp_path: Path) -> None:
    """A link would put the sockets where somebody else chose."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ProfileError, match="somebody else"):
        make_run_folder(tmp_path)


def test_long_path_falls_back_to_the_runtime_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel holds 107 bytes; a state folder may be deeper."""
    deep = tmp_path / ("d" * 120)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    folder, is_temporary = make_socket_folder(deep)

    assert folder.parent == tmp_path
    assert is_temporary
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert make_socket_folder(deep)[0] == folder


def test_card_is_private_and_taken_down_by_its_own_run_only(tmp_path: Path) -> None:
    """A slow predecessor must not remove the card of its successor."""
    run = make_run_folder(tmp_path)
    write_card(run, CARD)

    remove_card(tmp_path, run_epoch="another")

    assert read_card(tmp_path) == CARD
    assert stat.S_IMODE((run / "bus.json").stat().st_mode) == 0o600
    remove_card(tmp_path, run_epoch="e")
    assert read_card(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "{}", "[]"])
def test_damaged_card_counts_as_none(tmp_path: Path, text: str) -> None:
    """The client then says that no daemon runs, instead of a traceback."""
    (make_run_folder(tmp_path) / "bus.json").write_text(text)

    assert read_card(tmp_path) is None
