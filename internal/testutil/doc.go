// Package testutil is what the tests of several packages need: reasons to skip
// that cannot hide, network namespaces, bridges, polling, leak checks.
//
//	require.go    RequireRoot, RequireKVM, … and the switch that forbids skips
//	netns.go      a network namespace for one test (Netns) or for a whole
//	              test binary with all it starts (MainInNetns)
//	journal.go    StartJournal: a systemd-journald of the test's own
//	leak.go       open descriptors and processes before and after
//	wait.go       Eventually, TempDirShort
//
// A test that needs something which not every machine has says so first:
//
//	func TestTap(t *testing.T) {
//		testutil.RequireTap(t)
//		testutil.Netns(t)
//		testutil.AddBridge(t, "service", "10.0.0.1/24")
//
// By default it is skipped, with the reason, where the need is not met. With
// ALBATROSS_REQUIRE=kvm,root,tap,guests,journald (or "all") in the environment the needs
// named there must be met: the test fails instead.
//
// Only tests import this package; it imports internal/linux and no other
// package of this project, so every package's tests can.
package testutil
