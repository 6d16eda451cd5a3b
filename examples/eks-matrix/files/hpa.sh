# The autoscaler of one cluster: replays the recorded load through the scaling rule and looks at what it does.
# SOAK_MINUTES > 0 replays it again and again for that long.
. "$(dirname "$0")/lib.sh"

# One line per minute of load: minute load replicas utilisation. The rule is replicas * utilisation / target, rounded up, within 10 % nothing
# happens, and going down waits until three minutes in a row ask for it.
replay() {
  awk -F, -v cluster="$cluster" -v target=60 -v least=2 -v most=20 '
    NR == 1 { for (i = 2; i <= NF; i++) if ($i == cluster) column = i; if (!column) { print "no load was recorded for " cluster; exit 1 } replicas = least; next }
    { load = $column; use = load / replicas; ratio = use / target; want = replicas
      if (ratio > 1.1 || ratio < 0.9) { want = int(replicas * ratio); if (want < replicas * ratio) want++ }
      if (want < least) want = least; if (want > most) want = most
      if (want < replicas) { if (++calm < 3) want = replicas } else calm = 0
      if (want != replicas) calm = 0
      printf "%d %d %d %d\n", $1, load, replicas, use; replicas = want }' "$here/load.csv"
}

within_bounds() {
  replay | awk '$3 < 2 || $3 > 20 { print "minute " $1 ": " $3 " replicas"; bad = 1 } END { exit bad }'
}

# More than three minutes in a row above 100 % means that users wait.
keeps_up() {
  replay | awk '$4 > 100 { if (++hot > 3) { print "minute " $1 ": " $4 " % of capacity with " $3 " replicas, for " hot " minutes"; exit 1 } next } { hot = 0 }'
}

does_not_flap() {
  replay | awk 'NR > 1 { d = $3 - last; if (d * before < 0) turns++; if (d) before = d } { last = $3 } END { if (turns > 8) { print turns " changes of direction"; exit 1 } print turns + 0 " changes of direction" }'
}

comes_back() {
  replay | tail -n 1 | awk '$3 > 6 { print $3 " replicas are left at the end"; exit 1 }'
}

log "autoscaling on $cluster: $(replay | wc -l | tr -d ' ') minutes of load"
soak_end=$(($(date +%s) + ${SOAK_MINUTES:-0} * 60))
round=0
while [ "$(date +%s)" -lt "$soak_end" ]; do
  round=$((round + 1))
  log "soak, round $round: peak $(replay | sort -k 3 -n -r | awk 'NR == 1 { print $3 " replicas at minute " $1 }')"
  sleep 1
done
check "the number of replicas stays within its bounds" within_bounds
check "scaling up keeps up with the load" keeps_up
check "scaling does not flap" does_not_flap
check "the replicas come back down" comes_back
summary
