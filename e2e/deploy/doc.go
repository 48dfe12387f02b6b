// Package deploy reads what examples/ has for Docker, Kubernetes and systemd, with
// the code of those who will read it, as far as that can be had without an engine.
package deploy
