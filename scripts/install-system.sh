#!/bin/sh
# Installs what the system itself must bring: `run` (a sandbox), `test` (every test, its own Docker daemon too), `check` (the Python linters).
# Only what is missing is installed, and what that will be is said first. Where it cannot install, it says what to run. `machine` (the
# tests' emulated machine) is the exception: without it those tests are skipped, and the tests say so.
set -eu
. "$(dirname "$0")/node-ready.sh"

# A user's PATH often lacks the folders where Debian keeps dockerd and debootstrap.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
POLICY=/usr/sbin/policy-rc.d
made_policy=no

missing=
lacks() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }

# CPython's own tests, a package of their own on Debian; elsewhere, and where the version is unknown, those who want them look for them.
lacks_python_tests() {
  version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 0
  command -v apt-get >/dev/null 2>&1 || return 0
  /usr/bin/python3 -I -c 'import test.test_mmap' 2>/dev/null || missing="$missing libpython$version-testsuite"
}

# A library with a generator of its own and threads to be kept from starting. Elsewhere than on Debian its tests are left out.
lacks_numpy() {
  command -v apt-get >/dev/null 2>&1 || return 0
  /usr/bin/python3 -I -c 'import numpy' 2>/dev/null || missing="$missing python3-numpy"
}

# The page is tested in a real browser.
lacks_browser() {
  for browser in /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
    [ ! -x "$browser" ] || return 0
  done
  missing="$missing chromium"
}

wants_docker() { [ "${ISO_RUNTIME_TEST_NO_DOCKER:-}" != 1 ]; }

case "${1:-}" in
  run)
    lacks bwrap bubblewrap
    lacks python3 python3
    ;;
  test)
    lacks bwrap bubblewrap
    lacks /usr/bin/python3 python3
    lacks unshare util-linux
    lacks_python_tests
    lacks_numpy
    lacks_browser
    if wants_docker; then
      lacks dockerd docker.io
      lacks debootstrap debootstrap
      # Ubuntu has no keys of Debian, of which the tests' image is made.
      [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
    fi
    ;;
  machine)
    [ "${ISO_RUNTIME_TEST_NO_VM:-}" != 1 ] && [ "$(uname -m)" = x86_64 ] || exit 0
    lacks qemu-system-x86_64 qemu-system-x86
    lacks debootstrap debootstrap
    lacks mke2fs e2fsprogs
    [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing="$missing debian-archive-keyring"
    ;;
  check)
    lacks python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    ;;
  *) fail "usage: install-system.sh run|test|machine|check" ;;
esac
missing=${missing# }
[ -n "$missing" ] || exit 0

install_line="apt-get install --yes --no-install-recommends $missing"

# The same programs by the names that other distributions give them.
elsewhere() {
  names=$(printf '%s\n' "$missing" | sed "$1")
  fail "this machine lacks: $missing." "Way out: run  $2 $names  and then this again."
}

if ! command -v apt-get >/dev/null 2>&1; then
  if command -v dnf >/dev/null 2>&1; then
    elsewhere 's/docker\.io/moby-engine/; s/python3-venv/python3/' 'sudo dnf install'
  elif command -v pacman >/dev/null 2>&1; then
    elsewhere 's/docker\.io/docker/; s/python3-venv/python/; s/python3/python/' 'sudo pacman -S --needed'
  fi
  fail "this machine lacks: $missing." "Way out: install them with the package manager of this system and run this again."
fi

as_root=
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || fail "this machine lacks: $missing, and installing them needs root." \
    "Way out: as root, run  apt-get update && $install_line  and then this again."
  # With nobody there to type a password, sudo must fail at once instead of waiting for one.
  if [ -t 0 ]; then as_root=sudo; else as_root="sudo -n"; fi
fi

log=$(mktemp)
put_back() {
  [ "$made_policy" = no ] || $as_root rm -f "$POLICY"
  rm -f "$log"
}
trap put_back EXIT
trap 'exit 130' INT TERM HUP

# Debian starts a service as soon as it is installed; the tests run a daemon of their own, so the system's stays down.
hold_services() {
  [ ! -e "$POLICY" ] || return 0
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$POLICY" >/dev/null
  $as_root chmod 755 "$POLICY"
}

apt_install() {
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends "$@" </dev/null >>"$log" 2>&1
}

say "installing system packages: $missing${as_root:+ (with sudo)}"
case " $missing " in *" docker.io "*) hold_services ;; esac
# shellcheck disable=SC2086 # a list of package names
if ! apt_install $missing; then
  say "asking the package servers for their current lists first"
  : >"$log"
  $as_root apt-get update --quiet </dev/null >>"$log" 2>&1 || true
  # shellcheck disable=SC2086
  if ! apt_install $missing; then
    tail -n 20 "$log" >&2
    fail "the packages could not be installed; apt's last words are above." \
      "Way out: run  ${as_root:+sudo }apt-get update && ${as_root:+sudo }$install_line  and then this again."
  fi
fi
# Newer Debian keeps Docker's command line in a package of its own, which docker.io only recommends.
case " $missing " in
  *" docker.io "*) command -v docker >/dev/null 2>&1 || apt_install docker-cli || say "no docker command was found to install; the daemon alone is there" ;;
esac
say "installed: $missing"
