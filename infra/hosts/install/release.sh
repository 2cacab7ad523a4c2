# Before it stands settings, etc/runner.json as JSON.

sum_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# holds FILE NAME LIST: the file has the SHA-256 that the list gives the name.
holds() {
  [ -f "$1" ] || return 1
  while read -r sum name; do
    if [ "$name" = "$2" ]; then
      [ "$(sum_of "$1")" = "$sum" ]
      return
    fi
  done <"$3"
  return 1
}

# intact DIR: what is installed there is what its list says, and the list is the one that the release is named after.
intact() {
  [ -f "$1/RELEASE" ] && [ "$(sum_of "$1/RELEASE")" = "$release" ] &&
    [ -x "$1/bin/node" ] && [ -x "$1/bin/holdfast-launch" ] &&
    holds "$1/lib/runner.mjs" runner.mjs "$1/RELEASE" &&
    holds "$1/bin/holdfast-launch" holdfast-launch "$1/RELEASE" &&
    holds "$1/bin/node" "node-$arch" "$1/RELEASE"
}

# One installation at a time: the next one waits, and finds the work done.
take_turn() {
  exec 9>>"$root/install.lock" || return 1
  flock -w 240 9
}

# point NAME TARGET: makes NAME a link to TARGET by one rename. Whoever follows it finds the old or the new one.
point() {
  [ "$(readlink "$1")" = "$2" ] && return
  ln -sfn "$2" "$1.new" && mv -fT "$1.new" "$1"
}

# etc/runner.json; what was added for this host alone (workDir, path) stays.
write_settings() {
  mkdir -p "$root/etc" || return 1
  # shellcheck disable=SC2016
  "$root/releases/$release/bin/node" -e '
    const fs = require("node:fs");
    const [file, settings] = process.argv.slice(1);
    let old = "";
    let own = {};
    try {
      old = fs.readFileSync(file, "utf8");
      own = JSON.parse(old) ?? {};
    } catch {}
    const { workDir, path } = own;
    const text = JSON.stringify({ ...JSON.parse(settings), workDir, path }, null, 2) + "\n";
    if (text === old) process.exit(0);
    const to = fs.openSync(file + ".new", "w", 0o600);
    fs.writeSync(to, text);
    fs.fsyncSync(to);
    fs.renameSync(file + ".new", file);
  ' "$root/etc/runner.json" "$settings"
}

# in_use PATH: something runs from below it, or is about to: a shell that waits to sweep after its job names it too.
# The path goes through a pipe, so that grep does not find itself.
in_use() {
  case $running in
    *"$1"*) return 0 ;;
  esac
  # shellcheck disable=SC2062
  echo "$1" | grep -qaF -f - /proc/[0-9]*/cmdline 2>/dev/null
}

# Removes what nothing runs from and nobody goes back to.
prune() {
  running=$(readlink /proc/[0-9]*/exe)
  previous=$(readlink "$root/previous")
  for found in "$root/releases"/*; do
    case $found in
      "$root/releases/$release" | "$root/$previous") continue ;;
    esac
    in_use "$found/" || { rm -rf "$found" && say "removed ${found##*/}"; }
  done
  # An installation by hand lies directly below; it goes once there is a release to go back to.
  [ -n "$previous" ] && [ -e "$root/bin/node" ] || return 0
  in_use "$root/bin/node" || rm -rf "$root/bin/node" "$root/lib/runner.mjs" "$root/cache"
}

# The agent is a service: each start takes the release of then, and an agent that sees another one become current ends. It
# also ends where nothing is ordered of the host, which costs one short start in two minutes. The database comes first.
keep_agent() {
  [ -d /run/systemd/system ] || return 0
  unit=/etc/systemd/system/holdfast-agent.service
  cat >"$root/etc/holdfast-agent.service" <<END || return 1
[Unit]
Description=holdfast agent: archives the logs of the databases of this host
After=network-online.target
[Service]
ExecStart="$root/current/bin/node" --max-semi-space-size=1 --liftoff-only "$root/current/lib/runner.mjs" agent
Restart=always
RestartSec=120
EnvironmentFile=-$root/etc/environment
Environment="HOLDFAST_ROOT=$root" "NODE_COMPILE_CACHE=$root/current/cache" MALLOC_ARENA_MAX=1
Environment=MALLOC_MMAP_THRESHOLD_=131072 MALLOC_TRIM_THRESHOLD_=131072
StandardOutput=append:$root/log/agent.log
StandardError=append:$root/log/agent.log
MemoryMax=384M
CPUWeight=20
OOMScoreAdjust=500
LimitCORE=0
[Install]
WantedBy=multi-user.target
END
  mkdir -p "$root/log" || return 1
  if ! cmp -s "$root/etc/holdfast-agent.service" "$unit"; then
    cat "$root/etc/holdfast-agent.service" >"$unit" && systemctl daemon-reload &&
      systemctl enable --quiet holdfast-agent.service && systemctl restart --no-block holdfast-agent.service || return 1
  fi
  systemctl is-active --quiet holdfast-agent.service || systemctl start --no-block holdfast-agent.service
}

# Makes an intact release the current one. Until current is renamed jobs start as before, and a job that runs keeps
# the files of its own release.
activate() {
  mkdir -p "$root/bin" && write_settings || return 1
  was=$(readlink "$root/current")
  if [ "$was" = "releases/$release" ]; then
    say "release $release is installed and current"
  else
    if [ -n "$was" ]; then point "$root/previous" "$was" || return 1; fi
    point "$root/current" "releases/$release" || return 1
    say "release $release is now current${was:+, before it ${was#releases/}}"
  fi
  point "$root/bin/holdfast-launch" ../current/bin/holdfast-launch || return 1
  keep_agent || say "the agent's service could not be set up: logs are not archived on this host" >&2
  # What cannot be removed costs space and no more; the next time tries again.
  prune || return 0
}
