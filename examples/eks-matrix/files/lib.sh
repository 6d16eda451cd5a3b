# What every script of the suite starts with: a check is a function that prints why it is unhappy and returns non-zero.
# `check "what should hold" function args…` runs one; `summary` ends the script with 0 when all held and 1 when some did not.
set -u
here=$(dirname "$0")
scratch=${SCRATCH:-$(mktemp -d)}
cluster="${STAGE:?}-${REGION:?}"
passed=0
failed=0
failures=""
began=$(date +%s)

log() { echo "$(date -u +%H:%M:%S) $*"; }

check() {
  title=$1
  shift
  if said=$("$@" 2>&1); then
    passed=$((passed + 1))
    log "[PASS] $title${said:+ ($said)}"
  else
    failed=$((failed + 1))
    failures="$failures
  [FAIL] $title
         ${said:-no reason given}"
    log "[FAIL] $title"
  fi
  sleep "${PACE:-1}"
}

summary() {
  echo
  [ -z "$failures" ] || echo "Summarising $failed failure(s) on $cluster:$failures
"
  verdict=SUCCESS
  [ "$failed" -eq 0 ] || verdict=FAIL
  echo "Ran $((passed + failed)) checks in $(($(date +%s) - began)) s: $verdict! $passed passed, $failed failed"
  [ "$failed" -eq 0 ]
}

# The nodes of this cluster, one line each: node instance kubelet control_plane cpu ready gpus pod_cidr
nodes() {
  awk -F, -v stage="$STAGE" -v region="$REGION" 'NR > 1 && $1 == stage && $2 == region { print $3, $4, $5, $6, $7, $8, $9, $10 }' "$here/nodes.csv"
}
