package influx

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"albatross/internal/stats/sample"
	"albatross/internal/vm"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func name(t testing.TB, s string) vm.Name {
	t.Helper()
	n, err := vm.ParseWireName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func reading(n vm.Name) *sample.Reading {
	return &sample.Reading{Name: n, At: time.Unix(1000, 5), Sample: sample.Sample{
		Usage: vm.Rusage{
			UserTime: vm.Timeval{Seconds: 1, Microseconds: 20}, SystemTime: vm.Timeval{Seconds: 2, Microseconds: 500000},
			MaxRSS: 3, SharedRSS: 4, DataRSS: 5, StackRSS: 6, MinorFaults: 7, MajorFaults: 8, Swaps: 9, InBlocks: 10, OutBlocks: 11,
			MessagesSent: 12, MessagesGot: 13, Signals: 14, VoluntarySwitches: 15, InvoluntarySwitches: 16,
		},
		Memory:  vm.Memory{Virtual: 17, RSS: 18, Text: 19, Data: 20, Stack: 21, Runtime: 22, CopyFault: 23, Start: vm.Timeval{Seconds: 900, Microseconds: 250000}},
		Machine: []sample.Counter{{Counter: vm.Counter{Name: "exits", Value: 24}}, {Counter: vm.Counter{Name: "a b", Value: 25}}},
		Interfaces: []vm.Interface{{
			Name: "service", SendLength: 1, MaxSendLength: 2, SendDrops: 3, MTU: 1500, Baudrate: 4, InPackets: 5, InErrors: 6, InBytes: 7,
			InMulticast: 8, InDropped: 9, Collisions: 10, OutPackets: 11, OutErrors: 12, OutBytes: 13, OutMulticast: 14, OutDropped: 15,
		}, {}},
	}}
}

// The measurements and fields are Albatross's, in its order.
func TestAppend(t *testing.T) {
	const want = `resource_usage,vm=www utime=1.000020,stime=2.500000,maxrss=3i,ixrss=4i,idrss=5i,isrss=6i,minflt=7i,maxflt=8i,nswap=9i,inblock=10i,outblock=11i,msgsnd=12i,msgrcv=13i,nsignals=14i,nvcsw=15i,nivcsw=16i 1000000000005
kinfo_mem,vm=www vsize=17i,rss=18i,tsize=19i,dsize=20i,ssize=21i,cow_faults=23i,runtime=22i,uptime=99.750000 1000000000005
vmm,vm=www exits=24i,a\ b=25i 1000000000005
interface,vm=www,bridge=service send_queue_length=1i,max_send_queue_length=2i,send_queue_drops=3i,mtu=1500i,baudrate=4i,vm_to_host_packets=5i,vm_to_host_errors=6i,vm_to_host_bytes=7i,vm_to_host_mcast=8i,vm_to_host_dropped=9i,collisions=10i,host_to_vm_packets=11i,host_to_vm_errors=12i,host_to_vm_bytes=13i,host_to_vm_mcast=14i,host_to_vm_dropped=15i 1000000000005
`
	got, lines := Format{}.Append(nil, reading(name(t, "a:b:www")))
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Error(diff)
	}
	if lines != 4 {
		t.Errorf("%d lines", lines)
	}
	if got, _ := (Format{FullNames: true}).Append(nil, reading(name(t, "a:b:www"))); !strings.HasPrefix(string(got), "resource_usage,vm=a:b:www ") {
		t.Errorf("%s", got)
	}
	if got, _ := (Format{FullNames: true}).Append(nil, reading(name(t, ":www"))); !strings.HasPrefix(string(got), "resource_usage,vm=www ") {
		t.Errorf("%s", got)
	}
	if got, _ := (Format{}).Append(nil, reading(vm.Name{})); !strings.HasPrefix(string(got), "resource_usage,vm=_ ") {
		t.Errorf("%s", got)
	}
}

var form = regexp.MustCompile(`^[a-z_]+,vm=[^ ,=\n]+(,bridge=([^ ,=\\[:cntrl:]]|\\[ ,=])+)? (([^ ,=\\[:cntrl:]]|\\[ ,=])+=-?[0-9.]+i?,?)+ -?[0-9]+$`)

// Whatever names there are, each line is one.
func TestLinesAreWellFormed(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		one := reading(name(t, "a:x"))
		one.Interfaces[0].Name = rapid.String().Draw(r, "interface")
		one.Machine[0].Name = rapid.String().Draw(r, "counter")
		one.Usage.MaxRSS = rapid.Int64Range(0, math.MaxInt64).Draw(r, "number")
		checkLines(r, one)
	})
	one := reading(name(t, "a:x"))
	one.Interfaces[0].Name = "a\x17b\x7fc\td\\"
	if b := checkLines(t, one); !strings.Contains(string(b), "bridge=a_b_c_d_ ") {
		t.Errorf("%s", b)
	}
}

func checkLines(t interface{ Errorf(string, ...any) }, one *sample.Reading) []byte {
	b, lines := Format{}.Append(nil, one)
	all := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if len(all) != lines {
		t.Errorf("%d lines, said to be %d", len(all), lines)
	}
	for _, line := range all {
		if !form.MatchString(line) {
			t.Errorf("%q", line)
		}
	}
	return b
}
