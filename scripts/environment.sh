# Sourced by scripts/demo, scripts/test and .ci/run: makes the environment, once.
# CLEMD_VENV names another place for it than .venv in the repository.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="${CLEMD_VENV:-$root/.venv}"

say() { printf '== %s\n' "$*" >&2; }

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Prints the first Python that is new enough, the environment's own before others.
find_python() {
    local name
    for name in "$venv/bin/python" python3.12 python3.11 python3.13 python3.14 python3 python; do
        if command -v "$name" >/dev/null && is_new_enough "$name"; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# Changes whenever the installed environment is no longer the one described.
fingerprint() {
    "$1" - "$root" <<'PYTHON'
import hashlib, pathlib, sys
root = pathlib.Path(sys.argv[1])
digest = hashlib.sha256(f"{sys.version_info[:3]} {root}".encode())
for name in ("pyproject.toml", "constraints.txt"):
    digest.update((root / name).read_bytes())
print(digest.hexdigest())
PYTHON
}

# prepare GROUP: clemd and the dependency group of that name; "" = clemd alone.
# Returns 1 where it fails, since `set -e` does not reach into a caller's `if`.
prepare() {
    local group="$1" python wanted
    local stamp="$venv/.clemd${group:+-$group}"
    if ! python="$(find_python)"; then
        echo "clemd needs Python 3.11 or newer: install one, then run this again" >&2
        exit 2
    fi
    wanted="$(fingerprint "$python")"
    if [[ -x "$venv/bin/clemd" && -f "$stamp" && "$(<"$stamp")" == "$wanted" ]]; then
        return
    fi
    say "1/3  environment: $venv ($("$python" --version))"
    if [[ ! -x "$venv/bin/python" || ! -x "$venv/bin/pip" ]]; then
        if ! "$python" -m venv "$venv"; then
            echo "Python's venv module does not work: install it (Debian: python3-venv)" >&2
            exit 2
        fi
    fi
    say "2/3  pip"
    "$venv/bin/python" -m pip install --quiet --upgrade "pip>=25.1" || return 1
    say "3/3  clemd and what it stands on (the first time: minutes, torch is large)"
    local what=(-c "$root/constraints.txt" -e "$root")
    if [[ -n "$group" ]]; then
        what+=(--group "$root/pyproject.toml:$group")
    fi
    "$venv/bin/python" -m pip install "${what[@]}" >&2 || return 1
    # last: an interrupted install is done again
    fingerprint "$venv/bin/python" >"$venv/.clemd"
    fingerprint "$venv/bin/python" >"$stamp"
    say "installed"
}
