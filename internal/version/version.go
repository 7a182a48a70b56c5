// Package version knows which version of the project a program is.
package version

// Version is that of all programs together. A release sets it at link time:
// -ldflags "-X albatross/internal/version.Version=1.2.3".
var Version = "0.1.0-dev"
