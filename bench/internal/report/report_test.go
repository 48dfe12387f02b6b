package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

func TestNumber(t *testing.T) {
	for value, want := range map[float64]string{
		0: "0", 0.066666: "0.067", 0.952: "0.952", 1.0049: "1.00", 12.345: "12.3", 99.96: "100.0", 123.4: "123", 20730.2: "20730",
	} {
		if got := Number(value); got != want {
			t.Errorf("%v: got %s, want %s", value, got, want)
		}
	}
}

func TestShow(t *testing.T) {
	if got := Show(stats.Spread{Median: 2, Min: 1, Max: 30}); got != "2.00 (1.00–30.0)" {
		t.Error(got)
	}
	if got := Show(stats.Spread{Median: 2, Min: 2, Max: 2}); got != "2.00" {
		t.Error(got)
	}
}

func TestTable(t *testing.T) {
	table := &Table{Header: []string{"", "a"}}
	table.Add("x|y", "1")
	const want = "|  | a |\n|---|--:|\n| x\\|y | 1 |\n"
	if got := table.String(); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestInsert(t *testing.T) {
	const document = "before\n" + Begin + "old\n" + End + "after\n"
	got, err := Insert(document, "new\n")
	if want := "before\n" + Begin + "\nnew\n\n" + End + "after\n"; err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	again, err := Insert(got, "new\n")
	if err != nil || again != got {
		t.Errorf("the second time: got %q, %v", again, err)
	}
	for _, bad := range []string{"", Begin, End + Begin, document + document} {
		if got, err := Insert(bad, "new\n"); err == nil {
			t.Errorf("%q: got %q", bad, got)
		}
	}
}

func TestRewrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := os.WriteFile(path, []byte("no markers\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Rewrite(path, "new"); !errors.Is(err, errMarkers) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if kept, _ := os.ReadFile(path); string(kept) != "no markers\n" {
		t.Errorf("the file is now %q", kept)
	}
}

func TestSVG(t *testing.T) {
	plot := &Plot{Title: "CPU <&>", Unit: "µs", Bars: []Bar{
		{"gate", stats.Spread{Median: 10, Min: 5, Max: 20}, true},
		{"a & b", stats.Spread{Median: 20, Min: 20, Max: 20}, false},
	}}
	widths := make(map[string]string)
	var texts, whiskers []string
	decoder := xml.NewDecoder(strings.NewReader(string(plot.SVG())))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.CharData:
			texts = append(texts, string(token))
		case xml.StartElement:
			attr := make(map[string]string)
			for _, a := range token.Attr {
				attr[a.Name.Local] = a.Value
			}
			widths[attr["class"]] = attr["width"]
			if attr["class"] == "whisker" {
				whiskers = append(whiskers, attr["d"])
			}
		}
	}
	// The longest bar is as long as there is room; half of it is half as long.
	if widths["ours"] != "185.0" || widths["other"] != "370.0" {
		t.Errorf("bars are as long as %v", widths)
	}
	// From 5 to 20 of 20, with ends that stand across.
	if want := "M372.5 52H650.0M372.5 48v8M650.0 48v8"; whiskers[0] != want {
		t.Errorf("the whisker is %s, not %s", whiskers[0], want)
	}
	all := strings.Join(texts, "")
	for _, want := range []string{"CPU <&>, µs", "a & b", "10.0 (5.00–20.0)"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in the plot", want)
		}
	}
}

func TestSVGOfNothing(t *testing.T) {
	svg := string((&Plot{Title: "x", Unit: "ms", Bars: []Bar{{Label: "a"}}}).SVG())
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error(svg)
	}
}

func TestMachine(t *testing.T) {
	if m := Machine(); !strings.Contains(m, "cores, ") || !strings.Contains(m, "Linux ") {
		t.Error(m)
	}
	if v := Version("go", "version"); !strings.HasPrefix(v, "1.") {
		t.Error(v)
	}
	if v := Version("no-such-program"); v != "not installed" {
		t.Error(v)
	}
}
