# Uses the release if it is on this host. 100 ends the document well with nothing downloaded: it is current already, or
# this was the way back to it. Whatever else happens here, 0 leaves the decision to the steps that follow.
(
  [ -d "$root/releases/$release" ] && root=$(cd "$root" && pwd -P) &&
    take_turn && intact "$root/releases/$release" && activate
) && exit 100
say "release $release has to be installed"
exit 0
