package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const examples = "../../examples"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// probe is the command that tells whether a node can judge requests.
const probe = "caddy telegram-webhook status --ready"

// timeToStop returns how long Caddy may take to stop with that Caddyfile: the time that it
// gives the bot, and 3 seconds for the rest.
func timeToStop(t *testing.T, caddyfile string) time.Duration {
	t.Helper()
	stops, options := 3*time.Second, regexp.MustCompile(`(?m)^\t(?:grace_period|shutdown_delay) (\w+)$`).FindAllStringSubmatch(read(t, caddyfile), -1)
	for _, option := range options {
		d, err := time.ParseDuration(option[1])
		if err != nil {
			t.Fatal(err)
		}
		stops += d
	}
	if len(options) == 0 {
		t.Errorf("%s has no grace_period: Caddy waits for as long as the slowest bot", caddyfile)
	}
	return stops
}

// The Dockerfile and the recipe build Caddy with the very command of the README, which
// .ci/run has run.
func TestBuildCommand(t *testing.T) {
	const begin = "go run github.com/caddyserver/xcaddy/"
	_, line, _ := strings.Cut(read(t, "../README.md"), begin)
	line, _, _ = strings.Cut(line, "\n")
	for _, file := range []string{"docker/Dockerfile", "../docs/recipes/systemd.md"} {
		if line == "" || !strings.Contains(read(t, file), begin+line) {
			t.Errorf("the README builds with %q, and %s does not", line, file)
		}
	}
	if !strings.Contains(read(t, "docker/Dockerfile"), `CMD ["`+strings.ReplaceAll(probe, " ", `", "`)+"\"]\n") {
		t.Errorf("the Dockerfile has no HEALTHCHECK with %q", probe)
	}
}

// Docker Compose's own loader takes the file, and what it names is there.
func TestCompose(t *testing.T) {
	load := func(env ...string) (*types.Project, error) {
		options, err := cli.NewProjectOptions([]string{filepath.Join(examples, "docker/compose.yml")}, cli.WithName("example"), cli.WithEnv(env))
		if err != nil {
			t.Fatal(err)
		}
		return options.LoadProject(t.Context())
	}
	if _, err := load(); err == nil || !strings.Contains(err.Error(), "SITE") {
		t.Errorf("without the site's name: %v", err)
	}
	project, err := load("SITE=example.com")
	if err != nil {
		t.Fatal(err)
	}
	caddy, bot := project.Services["caddy"], project.Services["bot"]
	for _, file := range []string{
		filepath.Join(caddy.Build.Context, caddy.Build.Dockerfile), caddy.Volumes[0].Source,
		filepath.Join(bot.Build.Context, bot.Build.Dockerfile), filepath.Join(bot.Build.Context, "go.mod"),
	} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	for _, service := range project.Services {
		if len(service.Secrets) != 1 || service.Secrets[0].Source != "telegram_bot_token" {
			t.Errorf("%s: secrets %v; want the token as a file", service.Name, service.Secrets)
		}
	}
	if name := caddy.Environment["SITE"]; len(caddy.Environment) != 1 || len(bot.Environment) != 0 || name == nil || *name != "example.com" {
		t.Errorf("the environment is %v and %v; want the site's name alone", caddy.Environment, bot.Environment)
	}
	if bot.NetworkMode != "service:caddy" {
		t.Errorf("the bot's network is %q", bot.NetworkMode)
	}
	if !strings.Contains(read(t, "docker/.gitignore"), filepath.Base(filepath.Dir(project.Secrets["telegram_bot_token"].File))+"/\n") {
		t.Error("git does not ignore the token's folder")
	}
	mustBeRead(t, "docker/Caddyfile", "/run/secrets/telegram_bot_token")
	if wait := time.Duration(*caddy.StopGracePeriod); wait < timeToStop(t, "docker/Caddyfile") {
		t.Errorf("Caddy is killed after %s", wait)
	}
}

// The images' and the unit's command gives the bot its token, which it has as a file.
func TestBotGetsItsToken(t *testing.T) {
	const token = "123456789:from_a_file"
	dir := t.TempDir()
	write(t, filepath.Join(dir, "telegram_bot_token"), token+"\n", 0o600)
	write(t, filepath.Join(dir, "bot"), "#!/bin/sh\necho \"$TELEGRAM_BOT_TOKEN\"\n", 0o700)

	_, docker, _ := strings.Cut(read(t, "docker/bot.Dockerfile"), `CMD ["sh", "-c", "`)
	docker, _, _ = strings.Cut(docker, `"]`)
	_, unit, _ := strings.Cut(read(t, "systemd/bot.service"), "ExecStart=/bin/sh -c '")
	unit, _, _ = strings.Cut(unit, "'\n")
	for _, command := range []string{
		strings.ReplaceAll(docker, "/run/secrets/", dir+"/"),
		strings.NewReplacer("$$", "$", "/usr/local/bin/", "").Replace(unit),
	} {
		sh := exec.Command("/bin/sh", "-c", command)
		sh.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "CREDENTIALS_DIRECTORY=" + dir}
		if out, err := sh.CombinedOutput(); err != nil || string(out) != token+"\n" {
			t.Errorf("%s: %v, the bot's token is %q", command, err, out)
		}
	}
}

// The workflows run what is run by hand, and nothing else.
func TestWorkflows(t *testing.T) {
	for name, want := range map[string][]string{
		"ci.yml":      {"bash .ci/run"},
		"release.yml": {"bash .ci/run", "bash .ci/release dist", `gh release create "$GITHUB_REF_NAME" --verify-tag --generate-notes dist/*`},
	} {
		var workflow struct {
			Jobs map[string]struct{ Steps []struct{ Run string } }
		}
		if err := yaml.Unmarshal([]byte(read(t, "../.github/workflows/"+name)), &workflow); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, job := range workflow.Jobs {
			for _, step := range job.Steps {
				if step.Run != "" {
					got = append(got, step.Run)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s runs %q, want %q", name, got, want)
		}
	}
}

// Kubernetes' own types take the manifests, which agree with each other.
func TestKubernetes(t *testing.T) {
	var deployment appsv1.Deployment
	var claim corev1.PersistentVolumeClaim
	var service corev1.Service
	documents := strings.Split(read(t, "kubernetes/bot.yaml"), "\n---\n")
	objects := []any{&deployment, &claim, &service}
	if len(documents) != len(objects) {
		t.Fatalf("there are %d objects, want %d", len(documents), len(objects))
	}
	for i, document := range documents {
		if err := yaml.UnmarshalStrict([]byte(document), objects[i]); err != nil {
			t.Fatalf("object %d: %v", i+1, err)
		}
	}

	pod := deployment.Spec.Template
	for name, selector := range map[string]map[string]string{
		"the deployment": deployment.Spec.Selector.MatchLabels,
		"the service":    service.Spec.Selector,
	} {
		if len(selector) == 0 || !subset(selector, pod.Labels) {
			t.Errorf("%s selects %v, and the pods are %v", name, selector, pod.Labels)
		}
	}
	caddy := pod.Spec.Containers[0]
	if name := service.Spec.Ports[0].TargetPort.StrVal; !slices.ContainsFunc(caddy.Ports, func(p corev1.ContainerPort) bool { return p.Name == name }) {
		t.Errorf("Caddy has no port %q", name)
	}
	if got := strings.Join(caddy.ReadinessProbe.Exec.Command, " "); got != probe {
		t.Errorf("the readiness probe is %q", got)
	}
	stops := timeToStop(t, "kubernetes/Caddyfile")
	bot := time.Duration(pod.Spec.Containers[1].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	if all := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second; all < stops || bot < stops || all < bot+10*time.Second {
		t.Errorf("Caddy stops within %s, the bot's end begins after %s, and the pod is killed after %s", stops, bot, all)
	}
	volumes := make(map[string]corev1.Volume)
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = v
	}
	for _, m := range caddy.VolumeMounts {
		if _, ok := volumes[m.Name]; !ok {
			t.Errorf("there is no volume %q", m.Name)
		}
		delete(volumes, m.Name)
		if m.Name == "token" {
			mustBeRead(t, "kubernetes/Caddyfile", m.MountPath+"/token")
		}
	}
	if len(volumes) > 0 {
		t.Errorf("nobody mounts %v", volumes)
	}
	if ports := pod.Spec.SecurityContext.Sysctls[0]; ports.Name != "net.ipv4.ip_unprivileged_port_start" || ports.Value != "80" {
		t.Errorf("%s=%s: Caddy opens ports 80 and 443", ports.Name, ports.Value)
	}
	if *deployment.Spec.Replicas != 2 || !slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteMany) {
		t.Error("want two replicas with one storage")
	}
}

// systemd takes the units, with another program in place of those that they start.
func TestSystemd(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	units := []string{"caddy.service", "bot.service"}
	args := []string{"verify", "--man=no"}
	for _, unit := range units {
		text := strings.NewReplacer("/usr/local/bin/caddy", self, "/usr/local/bin/bot", self).Replace(read(t, "systemd/"+unit))
		if strings.Contains(text, "\nEnvironment=") {
			t.Errorf("%s has an environment in a file that everybody can read", unit)
		}
		args = append(args, filepath.Join(dir, unit))
		write(t, args[len(args)-1], text, 0o644)
	}
	// What it does not know it only warns about.
	if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze: %v\n%s", err, out)
	}
	_, wait, _ := strings.Cut(read(t, "systemd/caddy.service"), "\nTimeoutStopSec=")
	wait, _, _ = strings.Cut(wait, "\n")
	if d, err := time.ParseDuration(wait); err != nil || d < timeToStop(t, "systemd/Caddyfile") {
		t.Errorf("Caddy is killed after %s", wait)
	}
	if !strings.Contains(read(t, "systemd/caddy.service"), "\nExecReload=/usr/local/bin/caddy reload --force ") {
		t.Error("a reload does not read the files of secrets again")
	}
	_, credential, _ := strings.Cut(read(t, "systemd/caddy.service"), "LoadCredential=")
	name, _, _ := strings.Cut(credential, ":")
	mustBeRead(t, "systemd/Caddyfile", "/run/credentials/caddy.service/"+name)
}

// mustBeRead checks that a Caddyfile takes the token from that file.
func mustBeRead(t *testing.T, caddyfile, file string) {
	t.Helper()
	if !strings.Contains(read(t, caddyfile), "bot_token {file."+file+"}\n") {
		t.Errorf("%s does not take the token from %s", caddyfile, file)
	}
}

// subset reports whether all the labels of one are the other's too.
func subset(some, all map[string]string) bool {
	for key, value := range some {
		if all[key] != value {
			return false
		}
	}
	return true
}
