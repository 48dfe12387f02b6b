package integration

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddy-telegram/telegramwebhook/integration/caddytest"
)

// logged is a kind of log entry.
type logged struct {
	where   string
	level   string
	message string   // in docs/logs.md a long one ends in an ellipsis
	fields  []string // sorted; nil if the source does not tell here
}

func (l logged) is(documented logged) bool {
	start, cut := strings.CutSuffix(documented.message, " …")
	return l.level == documented.level && (l.message == documented.message || cut && strings.HasPrefix(l.message, start))
}

// TestLogsDocumented compares docs/logs.md with every call of a logger in the
// module: what it lists is what is logged, at that level, with those fields.
func TestLogsDocumented(t *testing.T) {
	documented, entries := documentedLogs(t), sourceLogs(t)
	if len(entries) < 20 {
		t.Fatalf("only %d calls of a logger were found", len(entries))
	}
	for _, e := range entries {
		at := slices.IndexFunc(documented, e.is)
		if at < 0 {
			t.Errorf("%s: %s %q is not in docs/logs.md", e.where, e.level, e.message)
			continue
		}
		if d := documented[at]; e.fields != nil && !slices.Equal(d.fields, e.fields) {
			t.Errorf("%s: %q has the fields %q, and in docs/logs.md %q", e.where, e.message, e.fields, d.fields)
		}
	}
	for _, d := range documented {
		if !slices.ContainsFunc(entries, func(e logged) bool { return e.is(d) }) {
			t.Errorf("%s: %s %q is logged nowhere", d.where, d.level, d.message)
		}
	}
}

var (
	logRow = regexp.MustCompile("(?m)^\\| ([A-Z]+) \\| `([^`]+)` \\|([^|]*)\\|")
	quoted = regexp.MustCompile("`([^`]+)`")
)

// documentedLogs is the tables in docs/logs.md, without the field name.
func documentedLogs(t testing.TB) (rows []logged) {
	t.Helper()
	for _, row := range logRow.FindAllStringSubmatch(caddytest.ReadFile(t, "../docs/logs.md"), -1) {
		fields := []string{}
		for _, field := range quoted.FindAllStringSubmatch(row[3], -1) {
			if field[1] != "name" {
				fields = append(fields, field[1])
			}
		}
		slices.Sort(fields)
		rows = append(rows, logged{"docs/logs.md", row[1], row[2], fields})
	}
	return rows
}

// productFiles returns all files of the module but tests and what serves them.
func productFiles(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("../internal", func(path string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && strings.HasSuffix(path, "test") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// sourceLogs finds the calls of loggers.
func sourceLogs(t testing.TB) (entries []logged) {
	t.Helper()
	for _, name := range productFiles(t) {
		positions := token.NewFileSet()
		file, err := parser.ParseFile(positions, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				for _, e := range logsOf(t, file, call) {
					e.where = positions.Position(call.Pos()).String()
					entries = append(entries, e)
				}
			}
			return true
		})
	}
	return entries
}

// levels are the methods of a logger and the levels that they, and the constants
// of zap, stand for.
var levels = map[string]string{"Debug": "DEBUG", "Info": "INFO", "Warn": "WARN", "Error": "ERROR"}

// logsOf returns what a call logs: nothing, if it is none of a logger.
func logsOf(t testing.TB, file *ast.File, call *ast.CallExpr) []logged {
	t.Helper()
	fun, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	level, message, fields := levels[fun.Sel.Name], 0, []string(nil)
	switch {
	case file.Name.Name == "boundedlog":
		return nil // its entries are those of whoever calls New
	case isNamed(fun.X, "boundedlog") && fun.Sel.Name == "New":
		level, message = levelOf(call.Args[1]), 2
	case !isLogger(fun.X):
		return nil
	case fun.Sel.Name == "Check":
		level, message = levelOf(call.Args[0]), 1
	case level == "":
		return nil // With, and the like
	default:
		fields = fieldsOf(call.Args[1:])
	}
	texts := textsOf(file, call.Args[message])
	if len(texts) == 0 {
		t.Errorf("%s: the message of a log entry cannot be told", file.Name.Name)
	}
	var entries []logged
	for _, text := range texts {
		entries = append(entries, logged{level: level, message: text, fields: fields})
	}
	return entries
}

func isNamed(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// isLogger goes by the name, and by what makes one logger of another.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.EqualFold(x.Name, "logger") || x.Name == "log"
	case *ast.SelectorExpr:
		return strings.EqualFold(x.Sel.Name, "logger")
	case *ast.CallExpr:
		fun, ok := x.Fun.(*ast.SelectorExpr)
		if !ok {
			return isLogger(x.Fun) // a function of that name
		}
		return strings.HasSuffix(fun.Sel.Name, "Logger") || fun.Sel.Name == "Log" || isLogger(fun.X)
	}
	return false
}

// levelOf reads zap.WarnLevel.
func levelOf(x ast.Expr) string {
	if s, ok := x.(*ast.SelectorExpr); ok {
		return levels[strings.TrimSuffix(s.Sel.Name, "Level")]
	}
	return ""
}

// textsOf is a string, or what the function of a variable's name returns.
func textsOf(file *ast.File, x ast.Expr) (texts []string) {
	switch x := x.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(x.Value); err == nil && text != "" {
			texts = []string{text}
		}
	case *ast.Ident:
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == x.Name {
				ast.Inspect(f, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
						texts = append(texts, textsOf(file, r.Results[0])...)
					}
					return true
				})
			}
		}
	}
	return texts
}

// fieldsOf reads zap.String("field", …) and zap.Error. The field name is left out
// here too: most loggers have it already.
func fieldsOf(args []ast.Expr) []string {
	names := []string{}
	for _, arg := range args {
		call, ok := arg.(*ast.CallExpr)
		if !ok {
			return nil
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return nil // such as append: the source does not tell here
		}
		if fun.Sel.Name == "Error" {
			names = append(names, "error")
		} else if len(call.Args) == 0 {
			continue // such as NameField
		} else if key, ok := call.Args[0].(*ast.BasicLit); ok && key.Value != `"name"` {
			names = append(names, strings.Trim(key.Value, `"`))
		}
	}
	slices.Sort(names)
	return names
}

// TestMetrics counts for two webhooks of one configuration, over a reload.
func TestMetrics(t *testing.T) {
	t.Parallel()
	bot := caddytest.StartBot(t, func(http.ResponseWriter, *http.Request) {})
	admin, port := caddytest.FreePort(t), caddytest.FreePort(t)
	config := fmt.Sprintf(`{
	admin localhost:%d
	skip_install_trust
	auto_https disable_redirects
}
https://localhost:%d {
	handle /one {
		telegram_webhook {env.TELEGRAM_SECRET} {
			name one
		}
		reverse_proxy %[3]s
	}
	handle /two {
		telegram_webhook {env.TELEGRAM_SECRET}
		reverse_proxy %[3]s
	}
}
`, admin, port, bot)
	c := caddytest.Start(t, config)
	client := c.Client()
	round := func() {
		for _, path := range []string{"/one", "/two"} {
			url := fmt.Sprintf("https://localhost:%d%s", port, path)
			caddytest.Do(t, client, caddytest.Update(t, url, caddytest.RightSecret))
			caddytest.Do(t, client, caddytest.Update(t, url, "wrong"))
			caddytest.Do(t, client, caddytest.Update(t, url))
		}
	}
	round()
	reload := c.Command("reload", "--force", "--config", c.File("Caddyfile"), "--address", fmt.Sprintf("localhost:%d", admin))
	if out, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	round()

	body := caddytest.Metrics(t, admin)
	for _, want := range []string{
		`caddy_telegram_webhook_requests_total{name="one",result="passed"} 2`,
		`caddy_telegram_webhook_requests_total{name="one",result="wrong_secret"} 2`,
		`caddy_telegram_webhook_requests_total{name="one",result="no_secret"} 2`,
		`caddy_telegram_webhook_requests_total{name="localhost/two",result="passed"} 2`,
		`caddy_telegram_webhook_delivery_duration_seconds_count{code="200",name="one"} 2`,
		`caddy_telegram_webhook_delivery_duration_seconds_count{code="200",name="localhost/two"} 2`,
	} {
		if !strings.Contains(body, want+"\n") {
			t.Errorf("no %s in the metrics", want)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(body) {
			if strings.Contains(line, "telegram") {
				t.Log(line)
			}
		}
	}
}

// TestWarnings has configurations that load but do not do what they should.
func TestWarnings(t *testing.T) {
	t.Parallel()
	const gate = "telegram_webhook {env.TELEGRAM_SECRET}"
	for name, tc := range map[string]struct{ options, site, want string }{
		"basic_auth": {"", "basic_auth {\n\t\tme $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\thandle {\n\t\t" + gate + "\n\t}",
			`"handler":"http.handlers.authentication"`},
		"forward_auth": {"", "forward_auth 127.0.0.1:1 {\n\t\turi /\n\t}\n\thandle /bot {\n\t\t" + gate + "\n\t}",
			`"handler":"http.handlers.reverse_proxy"`},
		"two gates": {"", gate + "\n\thandle /second {\n\t\t" + gate + "\n\t}", `"handler":"http.handlers.telegram_webhook"`},
		"a proxy in a route": {"", "route {\n\t\treverse_proxy 127.0.0.1:1\n\t\t" + gate + "\n\t}",
			`"handler":"http.handlers.reverse_proxy"`},
		"write timeout": {"servers {\n\t\ttimeouts {\n\t\t\twrite 30s\n\t\t}\n\t}", gate,
			`"msg":"write timeout of the server shorter than Telegram waits","write_timeout":30`},
		"a token in the path": {"", "handle /bot123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa {\n\t\t" + gate + "\n\t}",
			`"msg":"bot token in the webhook's path"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := caddytest.Start(t, caddytest.Globals(tc.options)+fmt.Sprintf("https://localhost:%d {\n\t%s\n}\n", caddytest.FreePort(t), tc.site))
			c.Out.Wait(t, tc.want)
			if strings.Contains(c.Out.String(), "aaaaaaaa\"") {
				t.Errorf("a token is told:\n%s", c.Out)
			}
		})
	}
	t.Run("in one of two places", func(t *testing.T) {
		t.Parallel()
		const named = "telegram_webhook {\n\t\t\tsecret {env.TELEGRAM_SECRET}\n\t\t\tname x\n\t\t}"
		c := caddytest.Start(t, caddytest.Globals("")+
			fmt.Sprintf("https://localhost:%d {\n\thandle /x {\n\t\t%s\n\t}\n}\n", caddytest.FreePort(t), named)+
			fmt.Sprintf("https://localhost:%d {\n\troute /bot123456789:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa {\n\t\treverse_proxy 127.0.0.1:1\n\t\t%s\n\t}\n}\n", caddytest.FreePort(t), named))
		c.Out.Wait(t, `"msg":"bot token in the webhook's path"`)
		c.Out.Wait(t, `"handler":"http.handlers.reverse_proxy"`)
	})
	t.Run("nothing to warn of", func(t *testing.T) {
		t.Parallel()
		c := caddytest.Start(t, caddytest.Globals("servers {\n\t\ttimeouts {\n\t\t\twrite 2m\n\t\t}\n\t}")+
			fmt.Sprintf("https://localhost:%d {\n\tbasic_auth /admin/* {\n\t\tme $2a$14$Zkx19XLiW6VYouLHR5NmfOFU0z2GTNmpkT/5qqR7hx4IjWJPDhjvG\n\t}\n\thandle /ok {\n\t\trespond ok\n\t}\n\thandle {\n\t\t%s\n\t}\n}\n", caddytest.FreePort(t), gate))
		c.Stop()
		if strings.Contains(c.Out.String(), `"logger":"http.handlers.telegram_webhook"`) {
			t.Errorf("it warns:\n%s", c.Out)
		}
	})
}
