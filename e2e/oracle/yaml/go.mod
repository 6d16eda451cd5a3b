module prow-operator/e2e/oracle/yaml

go 1.24

require sigs.k8s.io/yaml v1.4.0
