package tap

import "crypto/rand"

// RandomMAC returns a random Ethernet address that is unicast (bit 0 of the
// first byte is clear) and locally administered (bit 1 is set).
func RandomMAC() [6]byte {
	var mac [6]byte
	_, _ = rand.Read(mac[:]) // never fails: it ends the process instead
	mac[0] = mac[0]&^0x01 | 0x02
	return mac
}
