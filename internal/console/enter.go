package console

import "albatross/internal/api"

// enter counts a client that reads, one console or many, unless there are too many.
func (d *Daemon) enter(many bool) (leave func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	group := 0
	if many {
		group = 1
	}
	switch {
	case d.readers >= d.limits.Clients:
		e := api.Errorf(api.Unavailable, "%d clients read consoles already", d.limits.Clients)
		return nil, e.Hinted("end some; to read many consoles, read all below a path at once")
	case d.many+group > d.limits.Groups:
		e := api.Errorf(api.Unavailable, "%d clients read many consoles at once already", d.limits.Groups)
		return nil, e.Hinted("try again, or read one console")
	}
	d.readers++
	d.many += group
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.readers--
		d.many -= group
	}, nil
}
