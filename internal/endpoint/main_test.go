package endpoint

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// stallEnv makes the test binary a process that holds connections and says nothing:
// "ADDRESS COUNT".
const stallEnv = "ALBATROSS_TEST_STALL"

func TestMain(m *testing.M) {
	if how := os.Getenv(stallEnv); how != "" {
		if err := stall(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	removePrograms()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// stall opens connections, each of which gets as far as one of three places in a
// handshake, says "ready", and keeps them until standard input ends.
func stall(how string) error {
	address, digits, _ := strings.Cut(how, " ")
	count, err := strconv.Atoi(digits)
	if err != nil {
		return err
	}
	hello, err := clientHello()
	if err != nil {
		return err
	}
	conns := make([]net.Conn, count)
	for i := range conns {
		if conns[i], err = net.DialTimeout("tcp", address, time.Minute); err != nil {
			return err
		}
		said := hello[:len(hello)*(i%3)/2] // nothing, a half, all of it
		_, _ = conns[i].Write(said)        // it may have been ended already
	}
	fmt.Println("ready")
	_, err = os.Stdin.Read(make([]byte, 1)) // keeps conns, too
	for _, c := range conns {
		_ = c.Close()
	}
	if err != nil && err.Error() != "EOF" {
		return err
	}
	return nil
}

// clientHello returns the first record of a client.
func clientHello() ([]byte, error) {
	near, far := net.Pipe()
	defer near.Close()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = tlsClient(near, nil).HandshakeContext(ctx)
	}()
	b := make([]byte, 16<<10)
	n, err := far.Read(b)
	cancel()
	_ = far.Close()
	<-ended
	return b[:n], err
}
