package seccomp

// Rule lets a system call pass if all its conditions hold.
type Rule struct {
	Call       uint32 // number of the system call on amd64
	Conditions []Condition
}

// Condition compares all 64 bits of an argument with a constant.
type Condition struct {
	arg    int  // 0 to 5
	atMost bool // else: equal
	value  uint64
}

// Allow makes a rule. Without conditions the call passes with any arguments.
func Allow(call uint32, conditions ...Condition) Rule {
	return Rule{Call: call, Conditions: conditions}
}

// Equal holds if argument number arg, 0 to 5, is value. All 64 bits count: a
// negative C int is what the caller's registers hold of it.
func Equal(arg int, value uint64) Condition { return Condition{arg: arg, value: value} }

// AtMost holds if argument number arg, 0 to 5, is not above value; both are
// unsigned.
func AtMost(arg int, value uint64) Condition {
	return Condition{arg: arg, atMost: true, value: value}
}
