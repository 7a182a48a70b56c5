package top

// help returns the lines of the help.
func (m *Model) help() []string {
	return []string{
		"1 … 8       sort by name, state, CPU, memory, received, sent,",
		"            restarts, uptime; again: the other way round, as r does",
		"< >         sort by the column before, or behind",
		"up down     select; also k j, page up, page down, home, end",
		"/           filter: part of a name, or a path that ends in a dot;",
		"            enter keeps it, esc drops it",
		"enter       everything about the selected unikernel",
		"c           its console",
		"e           what happened to all",
		"esc         back to the table",
		"ctrl+z      to the shell; fg comes back",
		"q           end",
		"",
		"CPU%        of one CPU, since the sample before",
		"MEM OF      memory that it has, of that it was given",
		"RX/s TX/s   bytes a second that it received, and sent, in steps of 1024",
	}
}
