# Installs what was downloaded into the directory that this runs in. Nothing is unpacked, run or made executable before
# its SHA-256 is right: the list by the name of the release, the files by the list.
trap 'rm -f release.txt holdfast-launch runner.mjs node-x64.gz node-arm64.gz' EXIT
trap 'exit 1' HUP INT TERM
root=$(cd "$root" && pwd -P) || refuse "$root cannot be entered"
take_turn || refuse "another installation on this host did not end within four minutes"

if intact "$root/releases/$release"; then
  activate || refuse "release $release is on this host but could not be made current"
  exit 0
fi
has_room_to_install "$root"

[ -f release.txt ] || refuse "the list of release $release was not downloaded"
[ "$(sum_of release.txt)" = "$release" ] ||
  refuse "the list of release $release has the SHA-256 $(sum_of release.txt)"
for file in holdfast-launch runner.mjs "node-$arch.gz"; do
  [ -f "$file" ] || refuse "$file of release $release was not downloaded"
  holds "$file" "$file" release.txt ||
    refuse "$file of release $release has the SHA-256 $(sum_of "$file"), which its list does not name"
done

new=$root/releases/.new
unpack() {
  rm -rf "$new" && mkdir -p "$new/bin" "$new/lib" &&
    cat release.txt >"$new/RELEASE" &&
    cat holdfast-launch >"$new/bin/holdfast-launch" &&
    cat runner.mjs >"$new/lib/runner.mjs" &&
    gzip -dc "node-$arch.gz" >"$new/bin/node" &&
    chmod 700 "$new/bin/node" "$new/bin/holdfast-launch" &&
    intact "$new" &&
    # A rename must not reach the disk before what it names.
    sync "$new/RELEASE" "$new/bin/node" "$new/bin/holdfast-launch" "$new/lib/runner.mjs"
}
fail() {
  rm -rf "$new"
  refuse "$@"
}
unpack || fail "release $release could not be unpacked into $root"
# Without a verb the runner says its version and how it is used, and exits 64.
version=$("$new/bin/node" "$new/lib/runner.mjs" 2>&1 9>&-)
[ $? -eq 64 ] || fail "the runner of release $release does not start on this host: $version"

if [ -d "$root/releases/$release" ]; then
  # Damaged, and perhaps current: one file after the other.
  mkdir -p "$root/releases/$release/bin" "$root/releases/$release/lib"
  for file in RELEASE lib/runner.mjs bin/holdfast-launch bin/node; do
    mv -fT "$new/$file" "$root/releases/$release/$file" || fail "release $release cannot be repaired"
  done
  rm -rf "$new"
else
  mv -T "$new" "$root/releases/$release" || fail "release $release cannot be moved to its place"
fi
activate || refuse "release $release could not be made current"
say "it is $(echo "$version" | head -n 1)"
