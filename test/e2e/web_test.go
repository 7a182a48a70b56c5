package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"albatross/internal/testutil"
)

func TestWeb(t *testing.T) {
	testutil.RequireTap(t)
	for i, tt := range []struct {
		target string
		pings  int
	}{{"spt", 1000}, {"hvt", 20}} {
		t.Run(tt.target, func(t *testing.T) {
			if tt.target == "hvt" {
				testutil.RequireKVM(t)
			}
			w := newWorld(t)
			bridge := fmt.Sprintf("web%d", i)
			testutil.AddBridge(t, bridge, fmt.Sprintf("10.0.%d.1/24", 60+i))
			addr := fmt.Sprintf("10.0.%d.2", 60+i)
			w.ok("create", "www", imageFile(t, tt.target, "web"), "--net", "service:"+bridge, "--", "--ipv4="+addr+"/24")
			w.console("www", addr)
			page := fetchTwice(t, "http://"+addr+"/")
			if !strings.Contains(page, "www") {
				t.Errorf("the page does not show the name: %q", page)
			}
			if lost := ping(t, addr, tt.pings); lost > 0 {
				t.Errorf("%d of %d pings were lost", lost, tt.pings)
			}
			udpEcho(t, addr)
		})
	}
}

// fetchTwice gets a page twice over one connection and returns the second.
func fetchTwice(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	var page string
	for i := range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		reused := false
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused },
		})
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		must(t, err)
		resp, err := client.Do(req)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		must(t, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("status %s: %q", resp.Status, body)
		}
		if i > 0 && !reused {
			t.Error("the connection was not kept alive")
		}
		page = string(body)
	}
	return page
}

// ping sends echo requests, one after another's answer, and returns how many
// were not answered.
func ping(t *testing.T, addr string, n int) (lost int) {
	t.Helper()
	conn, err := net.Dial("ip4:icmp", addr)
	must(t, err)
	defer conn.Close()
	payload := bytes.Repeat([]byte("albatross"), 6)
	buf := make([]byte, 1500)
	for seq := range n {
		_, err := conn.Write(echoRequest(uint16(seq), payload))
		must(t, err)
		if !awaitEcho(t, conn, buf, uint16(seq), payload) {
			if lost++; lost > 3 {
				t.Fatalf("lost %d of the first %d pings", lost, seq+1)
			}
		}
	}
	return lost
}

const echoID = 0x4142

// echoRequest is an ICMP echo request of RFC 792.
func echoRequest(seq uint16, payload []byte) []byte {
	b := []byte{8, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, echoID)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, payload...)
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum))
	return b
}

// awaitEcho waits for the answer to one request.
func awaitEcho(t *testing.T, conn net.Conn, buf []byte, seq uint16, payload []byte) bool {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return false
		}
		b := buf[:n]
		if n > 0 {
			b = b[min(n, int(b[0]&15)*4):] // the IP header
		}
		if len(b) >= 8 && b[0] == 0 && binary.BigEndian.Uint16(b[4:]) == echoID && binary.BigEndian.Uint16(b[6:]) == seq {
			return bytes.Equal(b[8:], payload)
		}
	}
}

func udpEcho(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("udp4", addr+":7")
	must(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("echo this"))
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 100)
	n, err := conn.Read(buf)
	must(t, err)
	if string(buf[:n]) != "echo this" {
		t.Errorf("the echo is %q", buf[:n])
	}
}
