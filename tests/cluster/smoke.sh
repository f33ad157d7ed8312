#!/usr/bin/env bash
# Install the chart into the cluster that kubectl points to, and roll a model out: smoke.sh [options of helm]
# The image slipway:e2e has to be on the nodes.
set -euo pipefail
cd "$(dirname "$0")/../.."

helm install slipway charts/slipway --namespace slipway-system --create-namespace --wait --timeout 3m --set test.enabled=true "$@"
helm test slipway --namespace slipway-system --timeout 1m
kubectl apply --namespace default --filename tests/cluster/model.yaml
kubectl wait --namespace default --for condition=Ready --timeout 2m modeldeployments.slipway.dev/smoke

# What was rendered is what is there: an apply of it changes nothing.
helm template slipway charts/slipway --namespace slipway-system "$@" | kubectl diff --server-side --force-conflicts --filename -

# Whoever leads, ends; somebody goes on.
kubectl delete pods --namespace slipway-system --selector app.kubernetes.io/name=slipway --wait=false
kubectl patch --namespace default modeldeployments.slipway.dev/smoke --type merge \
  --patch '{"spec": {"release": {"model": {"version": "v2"}}}}'
kubectl wait --namespace default --for jsonpath='{.status.stable.version}'=v2 --timeout 2m modeldeployments.slipway.dev/smoke
