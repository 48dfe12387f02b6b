package clientip

import "testing"

func TestContains(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		ip   string
		want bool
	}{
		"telegram, first range":        {[]string{"telegram"}, "149.154.167.220", true},
		"telegram, second range":       {[]string{"telegram"}, "91.108.7.255", true},
		"telegram, just above":         {[]string{"telegram"}, "91.108.8.0", false},
		"telegram, IPv6-mapped":        {[]string{"telegram"}, "::ffff:149.154.160.1", true},
		"another":                      {[]string{"telegram"}, "203.0.113.9", false},
		"telegram and one more":        {[]string{"telegram", "203.0.113.0/24"}, "203.0.113.9", true},
		"single address":               {[]string{"203.0.113.9"}, "203.0.113.9", true},
		"single address, its neighbor": {[]string{"203.0.113.9"}, "203.0.113.8", false},
		"host bits set":                {[]string{"203.0.113.77/24"}, "203.0.113.9", true},
		"IPv6":                         {[]string{"2001:db8::/32"}, "2001:db8:1::1", true},
		"IPv6 with a zone":             {[]string{"fe80::/10"}, "fe80::1%eth0", true},
		"any IPv4 is not any IPv6":     {[]string{"0.0.0.0/0"}, "2001:db8::1", false},
		"no address":                   {[]string{"0.0.0.0/0", "::/0"}, "", false},
		"a Unix socket's peer":         {[]string{"0.0.0.0/0", "::/0"}, "@", false},
	} {
		t.Run(name, func(t *testing.T) {
			ranges, err := Parse(tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got := ranges.Contains(tc.ip); got != tc.want {
				t.Errorf("%v contains %s: got %v, want %v", tc.args, tc.ip, got, tc.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, arg := range []string{"", "Telegram", "telegram.org", "203.0.113.0/33", "203.0.113", "1.2.3.4/", "2001:db8::/129", "::ffff:203.0.113.0/120", "::ffff:203.0.113.9"} {
		if ranges, err := Parse(arg); err == nil {
			t.Errorf("Parse(%q): got %v, want an error", arg, ranges)
		}
	}
}
