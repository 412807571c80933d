package plan

import "testing"

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"?", "", false}, {"?", "a", true},
		{"a*", "abc", true}, {"a*", "ba", false}, {"*c", "abc", true}, {"*b", "abc", false}, {"a*c", "ac", true},
		{"a*b*c", "axbxbxc", true}, {"a*b*c", "axbxb", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"**", "x", true}, {"a**", "a", true}, {"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaac", false},
	} {
		if got := glob(c.pattern, c.text); got != c.want {
			t.Errorf("%q on %q is %t, want %t", c.pattern, c.text, got, c.want)
		}
	}
}

func TestConditionOnNumber(t *testing.T) {
	for _, c := range []struct {
		condition, value string
		want             bool
	}{
		{"16", "16", true}, {"= 16", "16", true}, {"16", "160", false}, {"!= 16", "17", true}, {">= 16", "16", true},
		{"> 16", "16", false}, {"< 16", "15", true}, {"<=16", "16", true}, {"-1", "-1", true},
		{">= 1 TiB", "1099511627776", true}, {">= 1TiB", "1099511627775", false}, {"2 KiB", "2048", true},
	} {
		if got := parseTest(c.condition).meets(kindNumber, c.value); got != c.want {
			t.Errorf("%q on %s is %t, want %t", c.condition, c.value, got, c.want)
		}
	}
}

func TestConditionIsANumber(t *testing.T) {
	for _, condition := range []string{"", ">=", "16.5", "16 GB", "0x10", "+1", "1 000", "> > 1", "9999999 TiB", "9999999999999999999"} {
		if (invField{kind: kindNumber}).takes(condition) {
			t.Errorf("%q is taken as a condition on a number", condition)
		}
	}
}

// TestHostNamesAreLabels makes labels of what switches say.
func TestHostNamesAreLabels(t *testing.T) {
	for text, want := range map[string]string{
		"tor-1.example.net-Ethernet1/7": "tor-1-example-net-ethernet1-7",
		"--a  b__c--":                   "a-b-c",
		"\u00fcber":                     "ber",
		"...":                           "",
		"a123456789b123456789c123456789d123456789e123456789f123456789--more":  "a123456789b123456789c123456789d123456789e123456789f123456789-mo",
		"a123456789b123456789c123456789d123456789e123456789f123456789xy-more": "a123456789b123456789c123456789d123456789e123456789f123456789xy",
	} {
		if got := dnsLabel(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
