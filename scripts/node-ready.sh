# Sourced by the first commands of the README: stops with a way out where Node.js is too old, and installs the packages of the lock file.
# It runs before any of them is there, so it is plain sh.

say() { printf '%s\n' "iso-runtime: $*"; }
fail() {
  for line in "$@"; do printf '%s\n' "iso-runtime: $line" >&2; done
  exit 1
}

require_linux() {
  [ "$(uname -s)" = Linux ] || fail "sandboxes are made of the Linux kernel's own means, and this is $(uname -s)." \
    "Way out: run it in a Linux virtual machine, for example with Lima (https://lima-vm.io) or WSL 2."
}

require_node() {
  command -v node >/dev/null 2>&1 || fail "Node.js is not on the PATH; version 20.19 or newer is needed." \
    "Way out: install it from https://nodejs.org/en/download and run this again."
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node.js $(node --version) is too old; version 20.19 or newer is needed." \
      "Way out: install a newer one from https://nodejs.org/en/download (or: nvm install 22) and run this again."
}

# Where the lock file changed after the last install, the packages are not the ones that it names.
install_packages() {
  [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] && return 0
  say "installing the npm packages of package-lock.json into node_modules (npm ci)"
  npm ci </dev/null || fail "npm ci failed; its message is above." "Way out: mend what it names (often the network or a proxy) and run this again."
}
