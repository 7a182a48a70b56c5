// Package archtest holds the dependency rules of the project; its test checks
// them against what the go command says is linked.
//
//	pure packages        import no effects
//	thin programs        link only what their privileges warrant
//	one importer         of each dangerous thing
package archtest
