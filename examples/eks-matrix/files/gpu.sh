# The accelerators of one cluster: every device that its nodes promise must be registered before the numeric checks start.
. "$(dirname "$0")/lib.sh"

promised=$(nodes | awk '{ n += $7 } END { print n + 0 }')

registered() {
  awk -F, -v stage="$STAGE" -v region="$REGION" 'NR > 1 && $1 == stage && $2 == region { n++ } END { print n + 0 }' "$here/devices.csv"
}

# The device plugin registers devices one by one; how long to wait is the job's running deadline.
wait_for_devices() {
  log "$cluster promises $promised devices"
  while [ "$(registered)" -lt "$promised" ]; do
    log "waiting: $(registered) of $promised devices are registered"
    sleep 1
  done
  log "all $promised devices are registered"
}

# A product of two matrices against the closed form: (A·B)[i][j] with A[i][k] = i + k and B[k][j] = k - j.
matrix_product() {
  awk -v n=40 'BEGIN {
    for (i = 0; i < n; i++) for (j = 0; j < n; j++) {
      sum = 0; for (k = 0; k < n; k++) sum += (i + k) * (k - j)
      s1 = n * (n - 1) / 2; s2 = (n - 1) * n * (2 * n - 1) / 6
      if (sum != i * s1 - i * j * n + s2 - j * s1) { print "wrong at " i "," j; exit 1 } } print n "x" n }'
}

# A quarter circle by midpoints; the error must shrink with the square of the step.
quadrature() {
  awk 'function area(n,  i, x, s) { for (i = 0; i < n; i++) { x = (i + 0.5) / n; s += 4 / (1 + x * x) } return s / n }
    BEGIN { pi = 3.14159265358979; e1 = area(100) - pi; e2 = area(1000) - pi
      if (e1 / e2 < 90 || e1 / e2 > 110) { print "error fell by " e1 / e2 ", not by 100"; exit 1 } printf "error %.1e, then %.1e", e1, e2 }'
}

# Heat spreading along a rod neither appears nor vanishes.
heat_is_conserved() {
  awk 'BEGIN { n = 60; u[30] = 1000
    for (t = 0; t < 200; t++) { for (i = 0; i < n; i++) v[i] = u[i] + 0.25 * (u[(i + 1) % n] - 2 * u[i] + u[(i + n - 1) % n]); for (i = 0; i < n; i++) u[i] = v[i] }
    for (i = 0; i < n; i++) sum += u[i]; d = sum - 1000; if (d < 0) d = -d; if (d > 1e-6) { print "sum is " sum; exit 1 } }'
}

unique_devices() {
  doubled=$(awk -F, 'NR > 1 { print $4 }' "$here/devices.csv" | sort | uniq -d)
  [ -z "$doubled" ] || { echo "registered twice: $doubled"; return 1; }
}

log "accelerators of $cluster"
wait_for_devices
check "no device is registered twice" unique_devices
check "a matrix product equals its closed form" matrix_product
check "an integral converges as it should" quadrature
check "heat is conserved" heat_is_conserved
summary
