refuse() {
  echo "holdfast: $*; what was installed is left as it is" >&2
  exit 1
}

# has_room DIR KIB: free space is the fourth column of the second line.
has_room() {
  free=$(df -Pk "$1" | { read -r _ && read -r _ _ _ kib _ && echo "$kib"; })
  [ "${free:-0}" -ge "$2" ] ||
    refuse "$1 has $((${free:-0} / 1024)) MiB free, release $release needs $(($2 / 1024)) MiB"
}

# Node 24 has 121 MiB unpacked, its compile cache and the runner 30; the rest stays free for whoever writes meanwhile.
has_room_to_install() { has_room "$1" 262144; }
