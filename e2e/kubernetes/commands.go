//go:build tools

// Package kubernetes names the commands of Kubernetes that the tests run, so that go.sum pins all they need.
// `scripts/kubernetes.py` builds them.
package kubernetes

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	_ "k8s.io/kubernetes/cmd/kube-proxy/app"
	_ "k8s.io/kubernetes/cmd/kube-scheduler/app"
	_ "k8s.io/kubernetes/cmd/kubeadm/app"
	_ "k8s.io/kubernetes/cmd/kubelet/app"

	_ "k8s.io/kubectl/pkg/cmd"
)
