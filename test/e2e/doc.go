// Package e2e tests the whole system: the programs as a user builds them, real
// unikernels of both targets, in a network namespace of the tests' own. It has
// no code but tests.
package e2e
