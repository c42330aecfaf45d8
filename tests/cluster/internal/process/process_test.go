package process

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestAProcessIsFoundByItsMarkAndOnlyByIt(t *testing.T) {
	owner, other := Owner(t.TempDir()), Owner(t.TempDir())
	log := filepath.Join(t.TempDir(), "log")
	if err := owner.Start("sleeper", log, "sleep", "600"); err != nil {
		t.Fatal(err)
	}
	if !owner.Alive("sleeper") {
		t.Error("the started process is not found by its owner")
	}
	if found := other.Find(); len(found) != 0 {
		t.Errorf("another owner finds %v", found)
	}
	other.Stop()
	if !owner.Alive("sleeper") {
		t.Error("another owner's Stop ended the process")
	}
	owner.Stop()
	if owner.Alive("sleeper") {
		t.Error("Stop left the process alive")
	}
}

func TestAProcessThatIgnoresTheSignalIsKilled(t *testing.T) {
	owner := Owner(t.TempDir())
	if err := owner.Start("stubborn", filepath.Join(t.TempDir(), "log"), "sh", "-c", "trap '' TERM; while :; do sleep 1; done"); err != nil {
		t.Fatal(err)
	}
	owner.Stop("stubborn")
	if owner.Alive("stubborn") {
		t.Error("a process that ignores SIGTERM outlived Stop")
	}
}

func TestMarkIsReadFromAnEnvironment(t *testing.T) {
	environment := "PATH=/bin\x00" + ownerVariable + "=/data/a=b\x00" + programVariable + "=etcd\x00"
	if read := parseMark([]byte(environment)); read != (mark{"/data/a=b", "etcd"}) {
		t.Errorf("read %+v", read)
	}
}

func TestListenersAreReadFromTheKernelsTable(t *testing.T) {
	table := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1388 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
`
	if inodes := listeningInodes(table, 5000); !slices.Equal(inodes, []string{"4711"}) {
		t.Errorf("port 5000 is listened on by inodes %v; only the socket in state 0A counts", inodes)
	}
	if inodes := listeningInodes(table, 136); len(inodes) != 0 {
		t.Errorf("port 136 (0088) is taken for 5000 (1388): %v", inodes)
	}
}

func TestAContainerIsKnownByTheNameOfItsControlGroup(t *testing.T) {
	groups := "4:memory:/kubepods/burstable/pod1/abc\n3:cpu:/kubepods/burstable/pod1/abc\n"
	if !inControlGroup(groups, []string{"abc"}) {
		t.Error("the container abc is not seen")
	}
	if inControlGroup(groups, []string{"ab", "abcd"}) {
		t.Error("a part of a name is taken for the name")
	}
}
