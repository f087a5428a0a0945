// The command etcd, built here so that its version is pinned beside that of the API server that uses it.
// A module of its own: Kubernetes and etcd's server want different versions of what they share.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
