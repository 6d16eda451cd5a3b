# Conformance of one cluster: what the fleet's records say about its nodes, and what every job may expect of the place it runs in.
# FOCUS=fast leaves the long checks out; WORKERS=4 spreads the checks over four processes.
. "$(dirname "$0")/lib.sh"

nodes_exist() {
  count=$(nodes | wc -l)
  [ "$count" -ge 3 ] && echo "$((count)) nodes"
}

nodes_ready() {
  nodes | awk '$6 != "True" { print $1 " is not ready"; bad = 1 } END { exit bad }'
}

# A kubelet may be up to three minor versions older than its API server, and never newer.
version_skew() {
  nodes | awk '{ split($3, k, "."); split($4, c, "."); if (k[2] > c[2] || c[2] - k[2] > 3) { print $1 " runs kubelet " $3 " under a control plane " $4; bad = 1 } } END { exit bad }'
}

# Two nodes that hand out the same pod addresses lose packets: compare the ranges as numbers.
pod_ranges_apart() {
  nodes | awk '
    { split($8, p, "/"); split(p[1], o, "."); first[NR] = ((o[1] * 256 + o[2]) * 256 + o[3]) * 256 + o[4]
      last[NR] = first[NR] + 2 ^ (32 - p[2]) - 1; name[NR] = $1; range[NR] = $8 }
    END { for (i = 1; i <= NR; i++) for (j = i + 1; j <= NR; j++) if (first[i] <= last[j] && first[j] <= last[i]) {
            print name[i] " (" range[i] ") overlaps " name[j] " (" range[j] ")"; bad = 1 } exit bad }'
}

capacity() {
  nodes | awk '{ cpu += $5 } END { if (cpu < 16) { print "only " cpu " CPUs"; exit 1 } print cpu " CPUs" }'
}

# What Prow promises every job.
environment() {
  for name in JOB_NAME JOB_TYPE JOB_SPEC BUILD_ID PROW_JOB_ID; do
    eval "value=\${$name:-}"
    [ -n "$value" ] || { echo "$name is not set"; return 1; }
  done
  case $BUILD_ID in *[!0-9]*) echo "BUILD_ID $BUILD_ID is not a number"; return 1 ;; esac
  echo "$JOB_SPEC" | grep -q "\"job\":\"$JOB_NAME\"" || { echo "JOB_SPEC does not name $JOB_NAME"; return 1; }
}

rename_is_atomic() {
  dir=$(mktemp -d "$scratch/rename.XXXXXX")
  i=0
  while [ $i -lt 20 ]; do
    echo "$i $i $i" >"$dir/new"
    mv "$dir/new" "$dir/file"
    read -r a b c <"$dir/file"
    [ "$a$b" = "$b$c" ] || { echo "read a half-written file"; return 1; }
    i=$((i + 1))
  done
}

# 2,262 primes below 20,000; counted with a sieve, because arithmetic should work as well.
primes() {
  count=$(awk 'BEGIN { for (i = 2; i <= 20000; i++) if (!(i in c)) { n++; for (j = i * i; j <= 20000; j += i) c[j] } print n }')
  [ "$count" = 2262 ] || { echo "found $count primes below 20,000 instead of 2,262"; return 1; }
}

# Sorting 5,000 pseudo-random numbers keeps every one of them.
sorting() {
  dir=$(mktemp -d "$scratch/sort.XXXXXX")
  awk 'BEGIN { x = 42; for (i = 0; i < 5000; i++) { x = (x * 16807) % 2147483647; print x } }' >"$dir/in"
  sort -n "$dir/in" >"$dir/out"
  awk 'NR > 1 && $1 < last { exit 1 } { last = $1 }' "$dir/out" || { echo "the result is not in order"; return 1; }
  [ "$(awk '{ s += $1 % 9973 } END { print s }' "$dir/in")" = "$(awk '{ s += $1 % 9973 } END { print s }' "$dir/out")" ] || { echo "numbers were lost"; return 1; }
}

text_round_trip() {
  sed 's/,/|/g' "$here/nodes.csv" | sed 's/|/,/g' | cmp -s - "$here/nodes.csv" || { echo "nodes.csv changed on the way"; return 1; }
}

run_check() {
  case $1 in
    1) check "the cluster has at least three nodes" nodes_exist ;;
    2) check "every node is ready" nodes_ready ;;
    3) check "jobs get the environment Prow promises" environment ;;
    4) check "renaming a file is atomic" rename_is_atomic ;;
    5) check "kubelets are within the version skew" version_skew ;;
    6) check "pod address ranges do not overlap" pod_ranges_apart ;;
    7) check "there is enough capacity to test with" capacity ;;
    8) check "a sieve counts the primes below 20,000" primes ;;
    9) check "sorting keeps every line" sorting ;;
    10) check "text survives sed" text_round_trip ;;
  esac
}

checks="1 2 3 4"
[ "${FOCUS:-all}" = fast ] || checks="1 2 3 4 5 6 7 8 9 10"
log "conformance of $cluster: focus ${FOCUS:-all}, ${WORKERS:-1} worker(s)"

if [ "${WORKERS:-1}" -le 1 ]; then
  for number in $checks; do run_check "$number"; done
  summary
  exit
fi

# Each worker takes every WORKERS-th check and ends with its own verdict; one that says no is enough.
pids=""
worker=0
while [ $worker -lt "$WORKERS" ]; do
  (
    i=0
    for number in $checks; do
      [ $((i % WORKERS)) -ne $worker ] || run_check "$number"
      i=$((i + 1))
    done
    summary >"$scratch/worker-$worker"
  ) &
  pids="$pids $!"
  worker=$((worker + 1))
done
bad=0
for pid in $pids; do wait "$pid" || bad=$((bad + 1)); done
sed -n '/Summarising/,/^$/p' "$scratch"/worker-*
echo "$WORKERS workers ended in $(($(date +%s) - began)) s, $bad of them with failures"
[ "$bad" -eq 0 ]
