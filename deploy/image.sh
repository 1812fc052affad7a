#!/bin/sh
# Builds the image of the service from this checkout: sh deploy/image.sh [TAG]. The packages are those that are installed here, so the build
# asks no registry for any. BASE names another base image; DOCKER_BUILD_FLAGS go to `docker build`.
set -eu
cd "$(dirname "$0")/.."
tag=${1:-iso-runtime:latest}
[ -e dist/cli/main.js ] || npm run --silent build

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
npm pack --silent --ignore-scripts --pack-destination "$context" >/dev/null
tar -C "$context" -xzf "$context"/iso-runtime-*.tgz
mv "$context/package" "$context/app"

# Of the packages here those that the product needs: the rest is for its development.
npm ls --omit=dev --all --parseable | tail -n +2 | while read -r folder; do
  at="$context/app/${folder#"$PWD/"}"
  [ -e "$at" ] && continue
  mkdir -p "$(dirname "$at")"
  cp -R "$folder" "$at"
done

# shellcheck disable=SC2086 # a list of flags
docker build ${DOCKER_BUILD_FLAGS:-} ${BASE:+--build-arg BASE="$BASE"} --tag "$tag" --file deploy/Dockerfile "$context"
