#!/bin/sh
# The README's second command: installs what the tests need, builds, and runs every test. Its last line counts them.
set -eu
cd "$(dirname "$0")/.."
. scripts/node-ready.sh

require_linux
require_node
sh scripts/install-system.sh test
sh scripts/install-system.sh machine || say "going on without the emulated machine"
install_packages
say "building (npm run build)"
npm run --silent build
# Where Debian keeps dockerd and debootstrap, which a user's PATH may lack.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH
exec node scripts/test.mjs
