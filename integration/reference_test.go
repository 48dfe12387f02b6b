package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	telegramwebhook "github.com/caddy-telegram/telegramwebhook"
	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
	"github.com/caddy-telegram/telegramwebhook/internal/app"
	"github.com/caddy-telegram/telegramwebhook/internal/args"
	delivery "github.com/caddy-telegram/telegramwebhook/internal/deliver"
	"github.com/caddy-telegram/telegramwebhook/internal/listener"
	"github.com/caddy-telegram/telegramwebhook/internal/metrics"
	"github.com/caddy-telegram/telegramwebhook/internal/secret"
	"github.com/caddy-telegram/telegramwebhook/internal/telegram"
)

// section returns the part of a page below a heading, up to the next of its level.
func section(t testing.TB, page, title string) string {
	t.Helper()
	_, text, found := strings.Cut(caddytest.ReadFile(t, "../docs/"+page), "\n## "+title+"\n")
	if !found {
		t.Fatalf("docs/%s has no section %q", page, title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// row is a row of a table: what is code in its first cell, and the other cells.
type row struct {
	names []string
	cells []string
}

// rows returns the rows of a section's tables whose first cell begins with code.
func rows(text string) (found []row) {
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		r := row{cells: cells[1:]}
		for _, name := range quoted.FindAllStringSubmatch(cells[0], -1) {
			r.names = append(r.names, name[1])
		}
		found = append(found, r)
	}
	return found
}

// compare reports what only one of two sets has: the documentation or the source.
func compare(t *testing.T, what string, documented, source []string) {
	t.Helper()
	slices.Sort(documented)
	if source = slices.Compact(slices.Sorted(slices.Values(source))); len(source) == 0 {
		t.Errorf("%s: the source has none", what)
	}
	for _, name := range documented {
		if !slices.Contains(source, name) {
			t.Errorf("%s: %q is documented, but not in the source", what, name)
		}
	}
	for _, name := range source {
		if !slices.Contains(documented, name) {
			t.Errorf("%s: %q is in the source, but not documented", what, name)
		}
	}
	if unique := slices.Compact(slices.Clone(documented)); len(unique) < len(documented) {
		t.Errorf("%s: something is documented twice: %q", what, documented)
	}
}

func parseFile(t testing.TB, name string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func findFunc(t testing.TB, name, function string) *ast.FuncDecl {
	t.Helper()
	for _, decl := range parseFile(t, name).Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == function {
			return f
		}
	}
	t.Fatalf("%s has no function %s", name, function)
	return nil
}

// casesOf returns the texts in the cases of a function's switches.
func casesOf(t testing.TB, name, function string) (cases []string) {
	t.Helper()
	ast.Inspect(findFunc(t, name, function), func(n ast.Node) bool {
		if c, ok := n.(*ast.CaseClause); ok {
			for _, x := range c.List {
				cases = append(cases, textsIn(x)...)
			}
		}
		return true
	})
	return cases
}

// listOf returns the texts in a package's variable; nil if the file has none of that name.
func listOf(t testing.TB, name, variable string) (texts []string) {
	t.Helper()
	ast.Inspect(parseFile(t, name), func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && v.Names[0].Name == variable {
			texts = textsIn(v)
		}
		return true
	})
	return texts
}

// textsIn returns the string literals in the source; those that are added are one.
func textsIn(n ast.Node) (texts []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			return x.Tag == nil
		case *ast.BinaryExpr:
			if left, right := textsIn(x.X), textsIn(x.Y); x.Op == token.ADD && len(left) > 0 && len(right) > 0 {
				texts = append(texts, left[len(left)-1]+right[0])
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(x.Value); x.Kind == token.STRING && err == nil && text != "" {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}

// samples are values for the arguments in a syntax.
var samples = map[string]string{
	"<secret>": "0123456789abcdefghijklmnopqrstuvwxyz", "<token>": caddytest.BotToken, "<name>": "bot",
	"<duration>": "1h", "<grace>": "1s", "<interval>": "1m", "<window>": "1m", "<count>": "7", "<1-100>": "100",
	"<url>": "https://bot.example.com/", "<path>": "/telegram", "<pem file>": "/tmp/root.pem", "<type>": "message",
	"<ipv4>": "8.8.8.8", "<cidr>": "192.0.2.0/24", "<value>": "max-age=1", "<size>": "1MiB",
}

// argument is one of an option in a syntax, such as <duration>|off or [<grace>].
var argument = regexp.MustCompile(`(\[?)((?:<[^>]+>|[a-z]+)(?:\|(?:<[^>]+>|[a-z]+))*)(\.\.\.)?\]*`)

// spellings returns arguments that a syntax allows, and such that it does not.
func spellings(t *testing.T, syntax string) (right, wrong []string) {
	line, repeated := "", false
	for _, arg := range argument.FindAllStringSubmatch(syntax, -1) {
		if optional := arg[1] != ""; optional {
			right = append(right, line)
		} else {
			wrong = append(wrong, line)
		}
		before := line
		for i, value := range strings.Split(arg[2], "|") {
			if strings.HasPrefix(value, "<") && samples[value] == "" {
				t.Fatalf("there is no sample of %s", value)
			} else if sample := samples[value]; sample != "" {
				value = sample
			}
			right = append(right, before+" "+value)
			if i == 0 {
				line = before + " " + value
			}
		}
		repeated = arg[3] != ""
	}
	if repeated {
		right = append(right, line+line[strings.LastIndex(line, " "):])
	} else {
		wrong = append(wrong, line+" surplus")
	}
	return append(right, line), wrong
}

var syntax = regexp.MustCompile(`(?ms)^[ \t]*telegram_webhook [^\n]*{$.*?^[ \t]*}`)

// syntaxLines returns the lines of a syntax, without their comments, and the defaults in
// the comments.
func syntaxLines(text string) (lines []string, defaults map[string]string) {
	defaults = make(map[string]string)
	for line := range strings.Lines(syntax.FindString(text)) {
		line, comment, _ := strings.Cut(line, "#")
		fields := strings.Fields(line)
		lines = append(lines, strings.Join(fields, " "))
		if _, value, found := strings.Cut(comment, "default: "); found {
			defaults[fields[0]] = strings.TrimSpace(regexp.MustCompile(`[,;].*`).ReplaceAllString(value, ""))
		}
	}
	return lines, defaults
}

// TestPackagesDocumented compares docs/architecture.md with the folders.
func TestPackagesDocumented(t *testing.T) {
	var documented, source []string
	for _, r := range rows(section(t, "architecture.md", "Packages")) {
		documented = append(documented, r.names...)
	}
	folders, err := filepath.Glob("../internal/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range folders {
		source = append(source, filepath.Base(filepath.Dir(file)))
	}
	compare(t, "docs/architecture.md, packages", documented, source)
}

// TestOptionsDocumented compares the syntax in docs/reference.md with that above each
// UnmarshalCaddyfile and with what the parser takes.
func TestOptionsDocumented(t *testing.T) {
	reference := section(t, "reference.md", "Caddyfile")
	handler, wrapper, _ := strings.Cut(reference, "### The listener wrapper\n")
	for _, tc := range []struct {
		name, text, file, function string
		parse                      func(*caddyfile.Dispenser) error
	}{
		{"handler", handler, "../caddyfile.go", "unmarshalOption",
			func(d *caddyfile.Dispenser) error { return new(telegramwebhook.Handler).UnmarshalCaddyfile(d) }},
		{"wrapper", wrapper, "../internal/listener/caddyfile.go", "UnmarshalCaddyfile",
			func(d *caddyfile.Dispenser) error { return new(listener.Wrapper).UnmarshalCaddyfile(d) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lines, _ := syntaxLines(tc.text)
			comment, _ := syntaxLines(findFunc(t, tc.file, "UnmarshalCaddyfile").Doc.Text())
			compare(t, "docs/reference.md, the syntax", slices.Clone(lines), comment)
			if len(lines) < 4 || !slices.Equal(lines, comment) {
				t.Fatalf("the syntax in docs/reference.md is not that above UnmarshalCaddyfile in %s", tc.file)
			}
			var options, inTables []string
			for _, line := range lines[1 : len(lines)-1] {
				option, arguments, _ := strings.Cut(line, " ")
				options = append(options, option)
				right, wrong := spellings(t, arguments)
				for _, spelling := range append(right, wrong...) {
					input := "telegram_webhook {\n" + option + spelling + "\n}"
					if tc.name == "handler" && option != "secret" {
						input = "telegram_webhook " + samples["<secret>"] + " {\n" + option + spelling + "\n}"
					}
					if err := tc.parse(caddyfile.NewTestDispenser(input)); (err == nil) != slices.Contains(right, spelling) {
						t.Errorf("documented is %q; %q: %v", line, option+spelling, err)
					}
				}
			}
			compare(t, "docs/reference.md, options", slices.Clone(options), casesOf(t, tc.file, tc.function))
			if known := listOf(t, tc.file, "options"); known != nil { // for a suggestion
				compare(t, "docs/reference.md, options", slices.Clone(options), known)
			}
			for _, r := range rows(tc.text) {
				inTables = append(inTables, r.names...)
			}
			compare(t, "docs/reference.md, options in tables", inTables, options)
		})
	}
}

// TestDefaultsDocumented compares the defaults of the code with those in
// docs/reference.md, in the syntax above UnmarshalCaddyfile and in the fields' comments.
func TestDefaultsDocumented(t *testing.T) {
	rules, err := delivery.NewRules("", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	every, grace, err := secret.Rotation(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	wrapper := caddytest.ReadFile(t, "../internal/listener/wrapper.go")
	for text, in := range map[string]string{ // for these there is no function to ask
		"defaultCheck = 5 * time.Minute":                   caddytest.ReadFile(t, "../setwebhook.go"),
		"cmp.Or(p.Count, 20)":                              wrapper,
		"cmp.Or(p.Window, caddy.Duration(time.Minute))":    wrapper,
		"cmp.Or(p.Duration, caddy.Duration(10*time.Minute": wrapper,
	} {
		if !strings.Contains(in, text) {
			t.Errorf("there is no %q any more: change the default here and in the documentation too", text)
		}
	}
	days, minutes := fmt.Sprintf("%dd", every/(24*time.Hour)), fmt.Sprintf("%dm", grace/time.Minute)
	_, inSyntax := syntaxLines(findFunc(t, "../caddyfile.go", "UnmarshalCaddyfile").Doc.Text())
	_, ofWrapper := syntaxLines(findFunc(t, "../internal/listener/caddyfile.go", "UnmarshalCaddyfile").Doc.Text())
	maps.Copy(inSyntax, ofWrapper)
	inFields := fieldComments(t, "../module.go", "../setwebhook.go", "../internal/listener/wrapper.go")
	inTables := make(map[string]string)
	for _, r := range rows(section(t, "reference.md", "Caddyfile")) {
		for _, option := range r.names {
			inTables[option] = strings.ReplaceAll(r.cells[0], "`", "")
		}
	}
	for _, d := range []struct{ option, want, field, fieldWant string }{
		{"rotate", days + " " + minutes, "rotate", days},
		{"rotate", days + " " + minutes, "rotate_grace", minutes},
		{"hsts", rules.HSTS, "hsts", rules.HSTS},
		{"retry_after", rules.RetryAfter + "s", "retry_after", rules.RetryAfter + "s"},
		{"max_body", fmt.Sprintf("%dMiB", rules.MaxBody>>20), "max_body", strconv.FormatInt(rules.MaxBody, 10)},
		{"max_connections", strconv.Itoa(telegram.DefaultMaxConnections), "max_connections", strconv.Itoa(telegram.DefaultMaxConnections)},
		{"check", "5m", "check", "5m"},
		{"api", telegram.DefaultAPI, "api", telegram.DefaultAPI},
		{"penalty", "20 1m 10m", "count", "20"},
		{"penalty", "20 1m 10m", "window", "1m"},
		{"penalty", "20 1m 10m", "duration", "10m"},
	} {
		if got, _, _ := strings.Cut(inTables[d.option], ","); got != d.want {
			t.Errorf("%s: docs/reference.md has the default %q, want %q", d.option, got, d.want)
		}
		if got := inSyntax[d.option]; got != d.want && d.option != "api" { // of which the syntax says something else
			t.Errorf("%s: the syntax has the default %q, want %q", d.option, got, d.want)
		}
		if got := inFields[d.field]; !regexp.MustCompile(`Default: ` + regexp.QuoteMeta(d.fieldWant) + `\b`).MatchString(got) {
			t.Errorf("%s: the comment %q has not the default %q", d.field, got, d.fieldWant)
		}
	}
	if text := section(t, "reference.md", "Caddyfile"); !strings.Contains(text, fmt.Sprintf("from 1 to %d, by default %d.", delivery.MaxCount, delivery.DefaultCount)) {
		t.Error("docs/reference.md does not have the numbers of dedupe")
	}
}

// fieldComments returns the comments on the fields that JSON has, on one line each.
func fieldComments(t *testing.T, files ...string) map[string]string {
	comments := make(map[string]string)
	for _, name := range files {
		ast.Inspect(parseFile(t, name), func(n ast.Node) bool {
			if f, ok := n.(*ast.Field); ok && f.Tag != nil {
				tag, _, _ := strings.Cut(reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json"), ",")
				comments[tag] = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
			return true
		})
	}
	return comments
}

// jsonFields returns the fields that a type has in JSON, as "name type".
func jsonFields(typ reflect.Type, prefix string) (fields []string) {
	for f := range typ.Fields() {
		if f.Anonymous {
			fields = append(fields, jsonFields(f.Type, prefix)...)
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		kind := map[reflect.Type]string{
			reflect.TypeFor[[]string](): "list of strings", reflect.TypeFor[string](): "string", reflect.TypeFor[*string](): "string",
			reflect.TypeFor[caddy.Duration](): "duration", reflect.TypeFor[args.Duration](): "duration", reflect.TypeFor[int](): "number", reflect.TypeFor[int64](): "number",
			reflect.TypeFor[bool](): "boolean", reflect.TypeFor[*listener.Penalty](): "object",
		}[f.Type]
		if name != "" {
			fields = append(fields, prefix+name+" "+kind)
		}
		if kind == "object" {
			fields = append(fields, jsonFields(f.Type.Elem(), prefix+name+".")...)
		}
	}
	return fields
}

func TestFieldsDocumented(t *testing.T) {
	text := section(t, "reference.md", "JSON")
	handler, wrapper, _ := strings.Cut(text, "The listener wrapper is")
	for text, typ := range map[string]reflect.Type{handler: reflect.TypeFor[telegramwebhook.Handler](), wrapper: reflect.TypeFor[listener.Wrapper]()} {
		var documented []string
		for _, r := range rows(text) {
			for _, name := range r.names {
				documented = append(documented, name+" "+r.cells[0])
			}
		}
		compare(t, "docs/reference.md, JSON", documented, jsonFields(typ, ""))
	}
	_, example, _ := strings.Cut(text, "```json\n")
	example, _, _ = strings.Cut(example, "```")
	fields := make(map[string]any)
	if err := json.Unmarshal([]byte(example), &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "handler")
	content, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.StrictUnmarshalJSON(content, new(telegramwebhook.Handler)); err != nil {
		t.Errorf("the example: %v", err)
	}
}

func TestPlaceholdersDocumented(t *testing.T) {
	var documented []string
	for _, r := range rows(section(t, "reference.md", "Placeholders")) {
		documented = append(documented, strings.TrimSuffix(strings.TrimPrefix(r.names[0], "{http.telegram_webhook."), "}"))
	}
	compare(t, "docs/reference.md, placeholders", documented, casesOf(t, "../internal/deliver/placeholder.go", "provide"))
}

// TestStatusesDocumented compares the table of refusals with the one in verify.go.
func TestStatusesDocumented(t *testing.T) {
	codes := make(map[string]string)
	for code := range 600 {
		codes["Status"+strings.ReplaceAll(http.StatusText(code), " ", "")] = strconv.Itoa(code)
	}
	var source, documented []string
	ast.Inspect(parseFile(t, "../verify.go"), func(n ast.Node) bool {
		if result, ok := n.(*ast.CompositeLit); ok && result.Type == nil && len(result.Elts) == 3 {
			status := result.Elts[1].(*ast.SelectorExpr).Sel.Name
			source = append(source, textsIn(result)[0]+" "+codes[status])
		}
		return true
	})
	for line := range strings.Lines(section(t, "reference.md", "What passes, and what Telegram gets back")) {
		if found := regexp.MustCompile("^\\| [^|]+ \\| `([a-z_]+)` \\| ([0-9]+)").FindStringSubmatch(line); found != nil {
			documented = append(documented, found[1]+" "+found[2])
			if retry := strings.Contains(line, "Retry-After"); retry != (found[2] == "503") {
				t.Errorf("a 503, and nothing else, has Retry-After: %s", line)
			}
		}
	}
	compare(t, "docs/reference.md, refusals", documented, source)
}

// TestCommandsDocumented compares docs/command.md with what --help says.
func TestCommandsDocumented(t *testing.T) {
	command := &cobra.Command{Use: "telegram-webhook"}
	caddycmd.Commands()["telegram-webhook"].CobraFunc(command)
	page := caddytest.ReadFile(t, "../docs/command.md")
	overview, _, _ := strings.Cut(page, "\n## ")
	var listed, commands, flags []string
	for _, r := range rows(overview) {
		listed = append(listed, r.names...)
	}
	headings := make(map[string]string)
	for _, part := range strings.Split(page, "\n## ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		for name := range strings.SplitSeq(title, ", ") {
			headings[name] = text
		}
	}
	for _, c := range command.Commands() {
		var help bytes.Buffer
		command.SetOut(&help)
		command.SetArgs([]string{c.Name(), "--help"})
		if err := command.Execute(); err != nil {
			t.Fatal(err)
		}
		commands = append(commands, c.Name())
		text, found := headings[c.Name()]
		if !found {
			t.Errorf("docs/command.md has no section %q", c.Name())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			flags = append(flags, "--"+f.Name)
			if !strings.Contains(help.String(), "--"+f.Name) {
				t.Errorf("%s --help does not show --%s", c.Name(), f.Name)
			}
			if flag := regexp.MustCompile("--" + f.Name + `\b`); !flag.MatchString(text) && !flag.MatchString(overview) {
				t.Errorf("docs/command.md: %s has the flag --%s", c.Name(), f.Name)
			}
		})
	}
	compare(t, "docs/command.md, commands", listed, commands)
	mentioned := regexp.MustCompile(`--[a-z][a-z-]*[a-z]`).FindAllString(page, -1)
	slices.Sort(mentioned)
	compare(t, "docs/command.md, flags", slices.Compact(mentioned), flags)
}

func TestAdminRoutesDocumented(t *testing.T) {
	var documented, source []string
	for _, r := range rows(section(t, "reference.md", "Admin API")) {
		documented = append(documented, r.names[0])
	}
	for _, route := range (app.AdminAPI{}).Routes() {
		source = append(source, strings.TrimSuffix(route.Pattern, "{$}"))
	}
	compare(t, "docs/reference.md, admin API", documented, source)
}

// TestMetricsDocumented compares names and labels. Whatever else the documentation and the
// examples name of the metrics has to exist too.
func TestMetricsDocumented(t *testing.T) {
	registry := prometheus.NewRegistry()
	if err := metrics.Register(registry, nil); err != nil {
		t.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descs)
		close(descs)
	}()
	var documented, source []string
	exists := make(map[string]bool)
	for desc := range descs {
		found := regexp.MustCompile(`fqName: "(\w+)".*variableLabels: ({.*})}$`).FindStringSubmatch(desc.String())
		source = append(source, found[1]+strings.TrimSuffix(found[2], "{}"))
		exists[found[1]] = true
	}
	for _, r := range rows(section(t, "reference.md", "Metrics")) {
		documented = append(documented, r.names[0])
	}
	compare(t, "docs/reference.md, metrics", documented, source)
	for _, page := range append(files(t, ".md"), append(files(t, ".yml"), files(t, ".json")...)...) {
		for _, name := range regexp.MustCompile(`\bcaddy_telegram_webhook_[a-z_]*[a-z]`).FindAllString(caddytest.ReadFile(t, page), -1) {
			if !exists[regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")] {
				t.Errorf("%s: there is no metric %s", page, name)
			}
		}
	}
}

// TestEventsDocumented looks for what is emitted, and with which data.
func TestEventsDocumented(t *testing.T) {
	var documented, source []string
	for _, r := range rows(section(t, "reference.md", "Events")) {
		fields := []string{strings.TrimPrefix(r.names[0], "telegram_webhook_")}
		for _, field := range quoted.FindAllStringSubmatch(r.cells[0], -1) {
			fields = append(fields, field[1])
		}
		slices.Sort(fields[1:])
		documented = append(documented, strings.Join(fields, " "))
	}
	for _, name := range productFiles(t) {
		ast.Inspect(parseFile(t, name), func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) < 2 {
				return true
			}
			fun, isMethod := call.Fun.(*ast.SelectorExpr)
			data, isLiteral := call.Args[len(call.Args)-1].(*ast.CompositeLit)
			if !isLiteral || !isNamed(call.Fun, "emit") && !(isMethod && fun.Sel.Name == "Emit") {
				return true
			}
			var fields []string
			for _, element := range data.Elts {
				fields = append(fields, textsIn(element.(*ast.KeyValueExpr).Key)...)
			}
			slices.Sort(fields)
			event := textsIn(call.Args[len(call.Args)-2])[0]
			source = append(source, strings.Join(append([]string{event}, fields...), " "))
			return true
		})
	}
	compare(t, "docs/reference.md, events", documented, source)
}

// variable stands for what differs in a message: a verb, a number, an address, a placeholder.
var variable = regexp.MustCompile(`%[+#0-9.]*[a-zA-Z]|[0-9][0-9.,]*|https?://[^\s:,;]+|localhost:\S+|\{env\.[^}]*\}`)

// TestMessagesDocumented looks for each message in docs/troubleshooting.md, and for what
// other pages say that the log says, among the texts of the module, or for Telegram's among
// those of the stand-in. Messages of Caddy, its libraries and the system are in tables of
// their own.
func TestMessagesDocumented(t *testing.T) {
	names := productFiles(t)
	standIn, err := filepath.Glob("../internal/telegramtest/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for code := range 600 {
		texts = append(texts, http.StatusText(code))
	}
	for _, errno := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EHOSTUNREACH} {
		texts = append(texts, strings.ToUpper(errno.Error()[:1])+errno.Error()[1:]) // as the stand-in does
	}
	for _, name := range append(names, standIn...) {
		if !strings.HasSuffix(name, "_test.go") {
			for _, text := range textsIn(parseFile(t, name)) {
				texts = append(texts, variable.ReplaceAllString(text, "…"))
			}
		}
	}
	said := func(message string) bool {
		message = variable.ReplaceAllString(strings.ReplaceAll(message, "::", ": "), "…")
		for part := range strings.SplitSeq(message, ": ") {
			part = strings.Trim(part, "…{} ")
			if !slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, part) }) {
				return false
			}
		}
		return true
	}
	messages, others := 0, false
	for line := range strings.Lines(fenced.ReplaceAllString(caddytest.ReadFile(t, "../docs/troubleshooting.md"), "")) {
		if line == "\n" {
			others = false
		} else if others = others || strings.HasPrefix(line, "| message of Caddy"); others {
			continue
		}
		for _, found := range quoted.FindAllStringSubmatch(line, -1) {
			if message := found[1]; strings.Contains(message, " ") && !isTyped.MatchString(message) {
				messages++
				if !said(message) {
					t.Errorf("docs/troubleshooting.md: nothing says %q", message)
				}
			}
		}
	}
	if messages < 50 {
		t.Errorf("only %d messages were found", messages)
	}
	logSays := regexp.MustCompile("\\b(?:[Tt]he log (?:says|has|shows|message|entry)|it logs) `([^`]+)`")
	for _, page := range files(t, ".md") {
		for _, found := range logSays.FindAllStringSubmatch(strings.Join(strings.Fields(caddytest.ReadFile(t, page)), " "), -1) {
			if !said(found[1]) {
				t.Errorf("%s: no log has %q", page, found[1])
			}
		}
	}
}

// isTyped matches what people write: commands, and lines of a Caddyfile.
var isTyped = regexp.MustCompile(`^(sudo|caddy|curl|dig|openssl|systemctl|command|journalctl|docker|pgrep) |^(bot_token|url|protocols|telegram_webhook|reverse_proxy|poll|tls) `)
