package tally

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKernelDrops(t *testing.T) {
	table := `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  277: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1234 2 0000000000000000 17
  278: 0B00140A:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1235 2 0000000000000000 3
  279: 0B00140A:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1236 2 0000000000000000 0
  280: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1237 2 0000000000000000 9
`
	if diff := cmp.Diff(map[int]uint64{67: 20, 69: 0}, kernelDrops(table, []int{67, 69, 4011})); diff != "" {
		t.Error(diff)
	}
	if _, err := KernelDrops(67); err != nil {
		t.Error(err)
	}
}
