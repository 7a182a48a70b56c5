// Package wire is Albatross's protocol, version AV5: frames, the DER inside
// them, the command in a certificate, and state files. Everything that goes over
// a socket passes through it. It imports internal/vm and cryptobyte and has no
// effects but on the readers and writers that it is given.
//
// # Map
//
//	Reader, Writer   frames: a length, then a message or raw bytes    reader.go, writer.go
//	  Message        Header and Payload                               message.go
//	    Command      console.go, stats.go, unikernel.go, policy.go, block.go, private.go; command.go
//	    Success      Reply…, beside the command that it answers; reply.go
//	    Failure, Problem                                              message.go, private.go
//	    Data         ConsoleData, StatsData, BlockData, BlockEnd
//	State            a state file                                     state.go, state_read.go, state_write.go
//	ParseExtension   the command in a certificate                     command.go
//
//	decoder          strict reading of DER, which keeps the first fault   decode.go
//	builder          writing                                              encode.go
//	finder, hole     octet strings too large for memory       splice.go, octets.go, extract.go
//
// # Frames
//
//	┌────────────────┬───────────────┐
//	│ length, 4 bytes│ DER or raw    │   big endian, at most 2^31-1
//	└────────────────┴───────────────┘
//
// A frame of length 0 ends a raw stream. An image may have hundreds of
// megabytes: it goes through a [Sink] on its way in and through
// [Writer.WriteStreamed] on its way out, and is never in memory.
//
// # Grammar
//
// All tags are context-specific and EXPLICIT unless said otherwise.
//
//	Wire      ::= SEQUENCE { header Header, payload CHOICE {
//	                command [0] Command, success [1] Success, failure [2] UTF8String, data [3] Data,
//	                problem [1000] SEQUENCE { code UTF8String, sentence UTF8String, hint UTF8String OPTIONAL } } }
//	Header    ::= SEQUENCE { version INTEGER (5), sequence Int64, name Name }
//	Extension ::= SEQUENCE { version INTEGER (5), command Command }
//
//	Command   ::= CHOICE { console [0] Console, stats [1] StatsCmd, unikernel [3] Unikernel,
//	                policy [4] PolicyCmd, block [5] BlockCmd,
//	                private [1000] SEQUENCE { verb UTF8String, body OCTET STRING } }
//	Console   ::= CHOICE { add [0] INTEGER, list-inactive [3] NULL,
//	                subscribe [2] CHOICE { since [0] GeneralizedTime, count [1] INTEGER } }
//	StatsCmd  ::= CHOICE { remove [1] NULL, subscribe [2] NULL, initial [3] NULL,
//	                add [0] SEQUENCE { vmmdev UTF8String, pid INTEGER,
//	                  taps SEQUENCE OF SEQUENCE { interface UTF8String, tap UTF8String } } }
//	Unikernel ::= CHOICE { destroy [3] NULL, get [11] INTEGER,
//	                create-v3 [9] ConfigV3, force-create-v3 [10] ConfigV3,
//	                create-v4 [16] ConfigV4, force-create-v4 [17] ConfigV4,
//	                create [20] Config, force-create [21] Config,
//	                restart [14] CHOICE { same [0] NULL, v0 [1] ArgumentsV0, v1 [2] ArgumentsV1, new [3] Arguments },
//	                info-4 [15] NULL, info-5 [18] NULL, info [19] NULL }
//	PolicyCmd ::= CHOICE { info [0] NULL, add [1] Policy, remove [2] NULL }
//	BlockCmd  ::= CHOICE { info [0] NULL, add [1] INTEGER, remove [2] NULL,
//	                add-old [3] SEQUENCE { size INTEGER, compressed BOOLEAN, data OCTET STRING OPTIONAL },
//	                set-old [4] Blob, dump-old [5] INTEGER, dump [6] INTEGER, set [7] BOOLEAN }
//	Blob      ::= SEQUENCE { compressed BOOLEAN, data OCTET STRING }
//
//	Policy    ::= SEQUENCE { cpuids SEQUENCE OF INTEGER, unikernels INTEGER, memory INTEGER,
//	                block INTEGER OPTIONAL, bridges SEQUENCE OF UTF8String }
//	Config    ::= SEQUENCE { type Type, compressed BOOLEAN, image OCTET STRING, startup INTEGER OPTIONAL,
//	                add-name BOOLEAN, fail Fail, cpuids SET OF INTEGER, memory INTEGER, Devices,
//	                cpus [3] INTEGER OPTIONAL, linux-boot [4] UTF8String OPTIONAL }
//	ConfigV4  ::= Config with cpuid INTEGER for cpuids, without [3] and [4]
//	ConfigV3  ::= ConfigV4 without startup and add-name
//	Arguments ::= SEQUENCE { fail Fail, startup INTEGER OPTIONAL, add-name BOOLEAN, cpuids SET OF INTEGER,
//	                memory INTEGER, Devices, [3] and [4] as in Config }
//	ArgumentsV1, ArgumentsV0 differ from Arguments as ConfigV4, ConfigV3 do from Config
//	Devices   ::= blocks [0] SET OF SEQUENCE { name UTF8String, device UTF8String OPTIONAL, sector-size INTEGER OPTIONAL } OPTIONAL,
//	              bridges [1] SET OF SEQUENCE { netif UTF8String, bridge UTF8String OPTIONAL, mac OCTET STRING OPTIONAL } OPTIONAL,
//	              arguments [2] SEQUENCE OF UTF8String OPTIONAL
//	Type      ::= CHOICE { solo5 [0] NULL, bhyve [1] NULL }
//	Fail      ::= CHOICE { quit [0] NULL, restart [1] SET OF INTEGER (empty: any code),
//	                on-failure [1000] NULL, always [1001] NULL }
//
//	Success   ::= CHOICE { empty [0] NULL, text [1] UTF8String,
//	                policies [2] SEQUENCE OF SEQUENCE { name Name, policy Policy },
//	                blocks [4] SEQUENCE OF SEQUENCE { name Name, size INTEGER, active BOOLEAN },
//	                image [6] Blob, block-image-old [7] Blob, block-image [10] BOOLEAN,
//	                consoles [12] SEQUENCE OF Name, private [1000] OCTET STRING,
//	                info-4 [9], info-5 [11], info [13] SEQUENCE OF SEQUENCE { name Name, info Info } }
//	Info      ::= SEQUENCE { type Type, startup INTEGER OPTIONAL, fail Fail, cpuids SET OF INTEGER, memory INTEGER,
//	                digest OCTET STRING,
//	                blocks [0] SET OF SEQUENCE { unikernel-device, host-device UTF8String, sector-size, size INTEGER } OPTIONAL,
//	                bridges [1] SET OF SEQUENCE { unikernel-device, host-device UTF8String, mac OCTET STRING } OPTIONAL,
//	                arguments [2] SEQUENCE OF UTF8String OPTIONAL, started [3] GeneralizedTime OPTIONAL,
//	                cpus [4] INTEGER OPTIONAL, linux-boot [5] UTF8String OPTIONAL }
//	Info5     ::= Info with cpuid INTEGER for cpuids, without [4] and [5];  Info4 ::= Info5 without startup
//
//	Data      ::= CHOICE { stats [1] Stats, console [3] SEQUENCE { timestamp GeneralizedTime, line UTF8String },
//	                block [4] CHOICE { data [0] OCTET STRING, end [1] NULL } }
//	Stats     ::= SEQUENCE { rusage SEQUENCE, interfaces SEQUENCE OF SEQUENCE,
//	                counters [0] SEQUENCE OF SEQUENCE { key UTF8String, value Int64 } OPTIONAL,
//	                memory [1] IMPLICIT SEQUENCE OPTIONAL }; the fields are those of vm.Stats, in its order
//	Timeval   ::= SEQUENCE { seconds Int64, microseconds INTEGER }
//	Int64     ::= OCTET STRING of 8 bytes, big endian
//	Name      ::= UTF8String, as vm.Name.Wire spells it
//
//	State     ::= CHOICE { [3] SEQUENCE OF Entry of ConfigV3,
//	                [4] and [5] and [6] SEQUENCE { SEQUENCE OF Entry, SEQUENCE OF SEQUENCE { name, policy } },
//	                with entries of ConfigV3, ConfigV4 and Config }
//	Entry     ::= SEQUENCE { name UTF8String (in [3] with dots), config }
//
// # Rules
//
// Only DER is read and written: shortest lengths and integers, TRUE is FF. A SET
// OF is written sorted by the bytes of its elements and read in any order, the
// lists of a policy are written ascending. An INTEGER has at most 63 bits, which
// is what Albatross can read, and sizes are not negative. A UTF8String may hold
// any bytes, as console lines do. GeneralizedTime is UTC with milliseconds or
// none; a fraction of .000 is read but not written. Unknown tags, further
// elements and bytes that follow are refused.
//
// What this project adds has tags from [1000] up, which Albatross refuses. The
// two restart behaviours stand in commands of the current form only; in Info and
// state files, which Albatross reads, its own restart stands for them.
package wire
