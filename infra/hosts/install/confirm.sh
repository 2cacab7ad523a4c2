# Runs whatever became of the steps before, also where one was ended from outside, and has the last word: the document
# ends well only where jobs start with the release.
now=$(readlink "$root/current")
if [ "$now" = "releases/$release" ] && [ -x "$root/bin/holdfast-launch" ] && [ -x "$root/current/bin/node" ]; then
  say "this host has release $release"
else
  say "this host has ${now:-no release}, not $release" >&2
  exit 1
fi
