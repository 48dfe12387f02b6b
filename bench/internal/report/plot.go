package report

import (
	"bytes"
	"fmt"
	"html"

	"github.com/caddy-telegram/telegramwebhook/bench/internal/stats"
)

// Plot is a bar chart.
type Plot struct {
	Title string
	Unit  string
	Bars  []Bar
}

// Bar is the median of a figure, with a whisker from the lowest to the highest
// value.
type Bar struct {
	Label  string
	Spread stats.Spread
	Ours   bool // drawn in another colour
}

// The dimensions of a plot, in pixels.
const (
	plotWidth  = 820
	labelWidth = 280
	valueWidth = 170
	barsWidth  = plotWidth - labelWidth - valueWidth
	lineHeight = 30
	barHeight  = 16
	headHeight = 44
)

// The colours follow the reader's light or dark setting. The plot has a background
// of its own, because the page may not follow that setting.
const plotStyle = `<style>
svg { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif }
.page { fill: #ffffff } text { fill: #1f2328 } .title { font-weight: 600; font-size: 15px }
.ours { fill: #0969da } .other { fill: #9aa4b0 } .whisker { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #e6edf3 } .ours { fill: #2f81f7 } .other { fill: #59636e } .whisker { stroke: #e6edf3 }
}
</style>
`

// SVG draws the plot. The axis begins at zero.
func (p *Plot) SVG() []byte {
	longest := 0.0
	for _, bar := range p.Bars {
		longest = max(longest, bar.Spread.Max)
	}
	if longest == 0 {
		longest = 1
	}
	scale := func(value float64) float64 { return barsWidth * value / longest }

	var b bytes.Buffer
	height := headHeight + lineHeight*len(p.Bars) + 10
	title := html.EscapeString(p.Title + ", " + p.Unit)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img">`+"\n<title>%s</title>\n",
		plotWidth, height, title)
	b.WriteString(plotStyle)
	fmt.Fprintf(&b, `<rect class="page" width="%d" height="%d" rx="6"/>`+"\n", plotWidth, height)
	fmt.Fprintf(&b, `<text class="title" x="12" y="27">%s</text>`+"\n", title)
	for i, bar := range p.Bars {
		class := "other"
		if bar.Ours {
			class = "ours"
		}
		top, middle := headHeight+lineHeight*i, headHeight+lineHeight*i+barHeight/2
		from, to := labelWidth+scale(bar.Spread.Min), labelWidth+scale(bar.Spread.Max)
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", labelWidth-8, middle+5, html.EscapeString(bar.Label))
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n", class, labelWidth, top, scale(bar.Spread.Median), barHeight)
		fmt.Fprintf(&b, `<path class="whisker" d="M%.1[1]f %[3]dH%.1[2]fM%.1[1]f %[4]dv8M%.1[2]f %[4]dv8"/>`+"\n", from, to, middle, middle-4)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", to+8, middle+5, Show(bar.Spread))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
