package wire

// The kinds of payloads, in the order of their numbers. Nothing else is one.

func (ConsoleAdd) payload()          {}
func (ConsoleSubscribe) payload()    {}
func (ConsoleListInactive) payload() {}
func (StatsAdd) payload()            {}
func (StatsRemove) payload()         {}
func (StatsSubscribe) payload()      {}
func (StatsInitial) payload()        {}
func (UnikernelDestroy) payload()    {}
func (UnikernelCreate) payload()     {}
func (UnikernelGet) payload()        {}
func (UnikernelRestart) payload()    {}
func (UnikernelInfo) payload()       {}
func (PolicyInfo) payload()          {}
func (PolicyAdd) payload()           {}
func (PolicyRemove) payload()        {}
func (BlockInfo) payload()           {}
func (BlockAdd) payload()            {}
func (BlockRemove) payload()         {}
func (BlockAddOld) payload()         {}
func (BlockSetOld) payload()         {}
func (BlockDump) payload()           {}
func (BlockSet) payload()            {}
func (Private) payload()             {}

func (ReplyEmpty) payload()         {}
func (ReplyText) payload()          {}
func (ReplyPolicies) payload()      {}
func (ReplyBlocks) payload()        {}
func (ReplyImage) payload()         {}
func (ReplyBlockImageOld) payload() {}
func (ReplyBlockImage) payload()    {}
func (ReplyConsoles) payload()      {}
func (ReplyInfo) payload()          {}
func (ReplyPrivate) payload()       {}

func (Failure) payload() {}

func (StatsData) payload()   {}
func (ConsoleData) payload() {}
func (BlockData) payload()   {}
func (BlockEnd) payload()    {}

func (Problem) payload() {}
