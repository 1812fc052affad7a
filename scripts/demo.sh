#!/bin/sh
# The README's first command: from a bare Debian or Ubuntu with Node.js to the first run in a sandbox. Nothing but Node.js and sh is there yet.
set -eu
cd "$(dirname "$0")/.."
. scripts/node-ready.sh

require_linux
require_node
say "this sets up what is missing: system packages bubblewrap and python3, the npm packages below node_modules, and the build in dist"
sh scripts/install-system.sh run
install_packages
say "building (npm run build)"
npm run --silent build
say "running scenario 0: node dist/cli/main.js run --scenario 0"
exec node dist/cli/main.js run --scenario 0
