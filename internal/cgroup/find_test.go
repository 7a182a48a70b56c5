package cgroup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Lines of mountinfo as machines have them.
const (
	other    = "21 23 0:19 / /proc rw,relatime - proc proc rw\ngarbage\n"
	pureV2   = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
	bareV2   = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	partOfV2 = "50 31 0:38 /docker/1 /mnt/part rw,relatime - cgroup2 cgroup2 rw\n"
	v1Memory = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
	v1CPU    = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	v1Acct   = "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"
	v1Both   = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
	v1All    = "32 31 0:29 / /sys/fs/my\\040cgroups rw,relatime - cgroup none rw,cpuset,cpu,cpuacct,memory\n"
	v1Name   = "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
)

func TestFind(t *testing.T) {
	unified := hierarchy{top: "/sys/fs/cgroup/unified", shown: "/", v2: true, cpu: true}
	memory := hierarchy{top: "/sys/fs/cgroup/memory", shown: "/", control: "memory", memory: true}
	acct := hierarchy{top: "/sys/fs/cgroup/cpuacct", shown: "/", control: "cpuacct", cpu: true}
	for _, tt := range []struct {
		name, mountinfo, release, controllers string
		want                                  []hierarchy
	}{
		{"v2", pureV2, "6.1.0-18-amd64", "cpuset cpu io memory pids", []hierarchy{{top: "/sys/fs/cgroup", shown: "/", v2: true, memory: true, cpu: true}}},
		{"hybrid", v1Memory + v1Acct + v1Name + bareV2, "6.18", "", []hierarchy{unified, memory}},
		{"v2 has what v1 has too", v1Memory + bareV2, "6.18", "memory", []hierarchy{{top: unified.top, shown: "/", v2: true, memory: true, cpu: true}}},
		{"hybrid, old kernel", v1Memory + v1Acct + v1CPU + bareV2, "5.4.0-170-generic", "", []hierarchy{memory, acct}},
		{"v2, old kernel", pureV2, "5.6", "memory", nil},
		{"v1 by names", v1Memory + v1Both, "4.19", "", []hierarchy{memory, {top: "/sys/fs/cgroup/cpu,cpuacct", shown: "/", control: "cpuacct", cpu: true}}},
		{"v1 in one", v1All, "4.19", "", []hierarchy{{top: "/sys/fs/my cgroups", shown: "/", control: "memory", memory: true, cpu: true}}},
		{"v2 without memory", pureV2, "6.1", "cpu", []hierarchy{{top: "/sys/fs/cgroup", shown: "/", v2: true, cpu: true}}},
		{"the whole rather than a part", partOfV2 + bareV2, "6.1", "", []hierarchy{unified}},
		{"a part", partOfV2, "6.1", "", []hierarchy{{top: "/mnt/part", shown: "/docker/1", v2: true, cpu: true}}},
		{"nothing of use", v1CPU + v1Name, "6.1", "", nil},
		{"nothing", "", "6.1", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := machine{other + tt.mountinfo, tt.release, func(string) ([]string, error) { return strings.Fields(tt.controllers), nil }}
			got, err := m.find()
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(hierarchy{})); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			if (err != nil) != (tt.want == nil) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestPlace(t *testing.T) {
	const cgroups = "9:name=systemd:/init\n4:cpu,cpuacct:/a:b\n3:memory:/user/1\n0::/system.slice/x.service\n"
	for _, tt := range []struct {
		h    hierarchy
		want string // or, with a blank in it, a part of the error
	}{
		{hierarchy{top: "/c", shown: "/", control: "memory"}, "/c/user/1"},
		{hierarchy{top: "/c", shown: "/user", control: "memory"}, "/c/1"},
		{hierarchy{top: "/c", shown: "/user/1", control: "memory"}, "/c"},
		{hierarchy{top: "/c", shown: "/us", control: "memory"}, "outside of what"},
		{hierarchy{top: "/c", shown: "/", control: "cpuacct"}, "/c/a:b"},
		{hierarchy{top: "/c", shown: "/", control: "pids"}, "has no group"},
		{hierarchy{top: "/c", shown: "/", v2: true}, "/c/system.slice/x.service"},
	} {
		got, err := tt.h.place(cgroups)
		if err != nil {
			got = err.Error()
		}
		if got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
			t.Errorf("place in %+v is %q, want %q", tt.h, got, tt.want)
		}
	}
}

func TestParseNumber(t *testing.T) {
	const events = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"
	for _, tt := range []struct {
		text, key string
		want      int64
		ok        bool
	}{
		{events, "oom", 2, true},
		{events, "oom_kill", 1, true},
		{events, "kill", 0, false},
		{"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", "oom_kill", 3, true},
		{"41\n", "", 41, true},
		{events, "", 0, false},
		{"41\n", "oom", 0, false},
		{"max\n", "", 0, false},
		{"oom 99999999999999999999\n", "oom", 0, false},
		{"", "", 0, false},
	} {
		if got, err := parseNumber(tt.text, tt.key); got != tt.want && tt.ok || (err == nil) != tt.ok {
			t.Errorf("number %q of %q is %d, %v; want %d, %t", tt.key, tt.text, got, err, tt.want, tt.ok)
		}
	}
}

func FuzzFind(f *testing.F) {
	for _, s := range []string{pureV2, bareV2 + v1Memory, v1All, partOfV2, other, "1 2 3 4 5 - cgroup2 \\", "a b c \\400 \\0 - cgroup x memory"} {
		f.Add(s, "6.1")
	}
	f.Fuzz(func(t *testing.T, mountinfo, release string) {
		m := machine{mountinfo, release, func(string) ([]string, error) { return []string{"memory"}, nil }}
		found, err := m.find()
		if (err == nil) == (len(found) == 0) {
			t.Fatalf("found %v, %v", found, err)
		}
		memory, cpu := 0, 0
		for _, h := range found {
			if h.memory {
				memory++
			}
			if h.cpu {
				cpu++
			}
		}
		if memory > 1 || cpu > 1 {
			t.Errorf("%d hierarchies count memory and %d CPU time: %+v", memory, cpu, found)
		}
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("3:memory:/user/1\n0::/x\n", "/")
	f.Add("3:cpu,memory:/../..\n", "/a")
	f.Add("3:memory:a\n", "")
	f.Fuzz(func(t *testing.T, cgroups, shown string) {
		h := hierarchy{top: "/top", shown: shown, control: "memory"}
		dir, err := h.place(cgroups)
		if err == nil && dir != "/top" && !strings.HasPrefix(dir, "/top/") {
			t.Errorf("%q with %q is at %q", cgroups, shown, dir)
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	f.Add("oom 1\noom_kill 2\n", "oom_kill")
	f.Add("12\n", "")
	f.Fuzz(func(t *testing.T, text, key string) {
		n, err := parseNumber(text, key)
		if err == nil && !strings.ContainsAny(text, "0123456789") {
			t.Errorf("number of %q is %d", text, n)
		}
	})
}
