// Package report formats figures as tables and plots, and inserts them into a
// document.
package report

import "strings"

// Table is a table in Markdown.
type Table struct {
	Header []string
	Rows   [][]string
}

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

func (t *Table) String() string {
	var b strings.Builder
	row := func(cells []string) {
		for _, cell := range cells {
			b.WriteString("| ")
			b.WriteString(strings.ReplaceAll(cell, "|", `\|`))
			b.WriteByte(' ')
		}
		b.WriteString("|\n")
	}
	row(t.Header)
	b.WriteString("|---" + strings.Repeat("|--:", len(t.Header)-1) + "|\n")
	for _, cells := range t.Rows {
		row(cells)
	}
	return b.String()
}
