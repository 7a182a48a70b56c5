// Package block keeps the block devices of unikernels: sparse files, one a
// device, in one directory. The directory is the record: a regular file that
// has the name of a device and a size of whole megabytes is a device of that
// size, nothing else is.
//
//	DIR/a:b:data        the device a:b:data
//	DIR/:data           the device data at the root
//	DIR/.tmp/create-*   a device that is being made
//	DIR/.tmp/set-*      content that is being received, or was and is staged
//
// The name of a device has a colon, so .tmp cannot be one (and Albatross 2.7,
// whose directory has the same form, passes over what begins with a dot).
//
//	store.go    Open, List, Get: what is in the directory
//	create.go   Create, Remove
//	set.go      Set: content from a stream, all or nothing
//	stage.go    Stage: content that is looked at before it replaces anything
//	content.go  Content: content to a stream
//	attach.go   Attach: a device for a unikernel
//	lock.go     who may do what at the same time
//	sparse.go   writes that leave holes, reads that skip them
//	errors.go   what can go wrong
//
// Locks are those of the kernel (flock), on the file itself, so that the lock of
// a device that a unikernel has lasts as long as its process, not as long as
// this one:
//
//	            Attach     Set        Remove     Content
//	holds       exclusive  exclusive  exclusive  shared
//	            as long as any duplicate of the descriptor is open (Attach),
//	            or until the operation ends (the others)
//
// Staged content takes its lock when it is committed, as Set does. Nobody waits for
// a lock; who does not get it gets [ErrInUse]. Set replaces the
// file, so a lock counts only while the name still leads to the file that was
// locked; see lock.go.
//
// Create and Set write a temporary file, sync it, give it its name and sync the
// directory. So after a crash a device has its old content or its new one, and
// what Open finds in .tmp is of no use to anyone.
//
// Only internal/host imports this package; it imports linux and vm.
package block
