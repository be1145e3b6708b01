#!/usr/bin/env bash
# build-abseil-pic.sh <debian version> <prefix>: Debian's own Abseil source package of that version,
# compiled position-independent with hidden visibility, installed below <prefix>.
# Needs no root: apt reads its source indexes into a scratch folder. About 90 seconds on two cores.
set -euo pipefail
version=$1
prefix=$2
mkdir -p "$(dirname "$prefix")"
work=$(mktemp -d "$(dirname "$prefix")/abseil-build.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Two builds at once: the second waits and finds the work done.
exec 9>"$prefix.lock"
flock 9
[ -e "$prefix/lib/cmake/absl/abslConfig.cmake" ] && exit 0

for tool in dpkg-source cmake ninja apt-get; do
  command -v "$tool" >/dev/null || {
    echo "build-abseil-pic.sh: $tool is missing: apt-get install dpkg-dev cmake ninja-build" >&2
    exit 1
  }
done

# The machine's own mirrors, asked for sources instead of packages.
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/apt/parts"
for list in /etc/apt/sources.list.d/*.sources; do
  [ -e "$list" ] || continue
  sed 's/^Types:.*/Types: deb-src/' "$list" > "$work/apt/parts/$(basename "$list")"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -e "$list" ] || continue
  sed -n 's/^deb /deb-src /p' "$list" > "$work/apt/parts/$(basename "${list%.list}").list"
done
apt=(apt-get -qq
  -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/apt/parts"
  -o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache"
  -o APT::Sandbox::User=root)
cd "$work"
# A list that cannot be read (another vendor's, say) does not matter as long as Abseil is found.
"${apt[@]}" update || true
"${apt[@]}" source --download-only "abseil=$version" || {
  echo "build-abseil-pic.sh: Debian's source package abseil=$version was not found on the mirrors" \
       "of /etc/apt; is libabsl-dev up to date?" >&2
  exit 1
}
# apt has checked the files against the signed index.
dpkg-source --no-check -q -x abseil_*.dsc src

launcher=()
command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
cmake -S src -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$work/out" \
  -DCMAKE_INSTALL_LIBDIR=lib -DCMAKE_POSITION_INDEPENDENT_CODE=ON -DCMAKE_CXX_STANDARD=20 \
  -DABSL_PROPAGATE_CXX_STD=ON -DCMAKE_CXX_VISIBILITY_PRESET=hidden -DBUILD_SHARED_LIBS=OFF \
  -DBUILD_TESTING=OFF -DCMAKE_CXX_FLAGS="-ffunction-sections -fdata-sections" \
  "${launcher[@]}" > configure.log || { cat configure.log >&2; exit 1; }
ninja -C build install > build.log || { tail -50 build.log >&2; exit 1; }
rm -rf "$prefix"
# Whole or not at all: the rename is the last act.
mv "$work/out" "$prefix"
echo "built: $prefix"
