package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/coreos/go-systemd/v22/unit"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"go.yaml.in/yaml/v4"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	kubeyaml "sigs.k8s.io/yaml"
)

// serviceMonitor is the part of the Prometheus operator's type that the manifest uses.
type serviceMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

func read(t *testing.T, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// cluster is what the manifest for Kubernetes makes.
type cluster struct {
	config     *corev1.ConfigMap
	claim      *corev1.PersistentVolumeClaim
	deployment *appsv1.Deployment
	service    *corev1.Service
	monitor    *serviceMonitor
}

// manifest decodes kubernetes/tipline.yaml as the API server does, and refuses what the types do not know.
func manifest(t *testing.T) cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	decoder := serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
	var c cluster
	for i, document := range strings.Split(string(read(t, "kubernetes", "tipline.yaml")), "\n---\n") {
		if strings.Contains(document, "\nkind: ServiceMonitor\n") {
			c.monitor = new(serviceMonitor)
			if err := kubeyaml.UnmarshalStrict([]byte(document), c.monitor); err != nil {
				t.Fatalf("document %d: %v", i+1, err)
			}
			continue
		}
		object, _, err := decoder.Decode([]byte(document), nil, nil)
		if err != nil {
			t.Fatalf("document %d: %v", i+1, err)
		}
		switch object := object.(type) {
		case *corev1.ConfigMap:
			c.config = object
		case *corev1.PersistentVolumeClaim:
			c.claim = object
		case *appsv1.Deployment:
			c.deployment = object
		case *corev1.Service:
			c.service = object
		default:
			t.Errorf("document %d: a %T, which no check knows", i+1, object)
		}
	}
	if c.config == nil || c.claim == nil || c.deployment == nil || c.service == nil || c.monitor == nil {
		t.Fatalf("a part is missing: %+v", c)
	}
	return c
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	c := manifest(t)
	if c.config.Data["tipline.yml"] == "" {
		t.Error("ConfigMap: no tipline.yml")
	}
	spec := c.deployment.Spec
	if spec.Replicas == nil || *spec.Replicas != 1 || spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("Deployment: got %v replicas, %s, want one and Recreate: the data file has one writer", spec.Replicas, spec.Strategy.Type)
	}
	if !maps.Equal(spec.Selector.MatchLabels, spec.Template.Labels) || !maps.Equal(spec.Template.Labels, c.service.Spec.Selector) {
		t.Errorf("the Deployment selects %v, its pods have %v, the Service selects %v", spec.Selector.MatchLabels, spec.Template.Labels, c.service.Spec.Selector)
	}
	if !maps.Equal(c.monitor.Spec.Selector.MatchLabels, c.service.Labels) || c.monitor.APIVersion != "monitoring.coreos.com/v1" {
		t.Errorf("the ServiceMonitor %s selects %v, the Service has %v", c.monitor.APIVersion, c.monitor.Spec.Selector.MatchLabels, c.service.Labels)
	}
	pod := spec.Template.Spec
	if len(pod.Containers) != 1 || len(c.service.Spec.Ports) != 1 || len(c.monitor.Spec.Endpoints) != 1 || len(pod.Containers[0].Ports) != 1 {
		t.Fatal("want one container, one port and one endpoint")
	}
	container, port := pod.Containers[0], c.service.Spec.Ports[0]
	if container.Ports[0].ContainerPort != 9464 || container.Ports[0].Name != port.TargetPort.StrVal || c.monitor.Spec.Endpoints[0].Port != port.Name {
		t.Errorf("ports: container %+v, service %+v, monitor %+v", container.Ports[0], port, c.monitor.Spec.Endpoints[0])
	}
	if p := pod.SecurityContext; p == nil || p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.RunAsUser == nil || *p.RunAsUser == 0 || p.FSGroup == nil {
		t.Errorf("pod: %+v, want a user that is not root and a group that owns the volume", p)
	}
	if s := container.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
		s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") {
		t.Errorf("container: %+v, want a read-only root file system and no privileges", s)
	}
	for path, probe := range map[string]*corev1.Probe{"/-/healthy": container.LivenessProbe, "/-/ready": container.ReadinessProbe} {
		if probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != container.Ports[0].Name {
			t.Errorf("probe of %s: %+v", path, probe)
		}
	}
	mounted := map[string]string{}
	for _, m := range container.VolumeMounts {
		mounted[m.Name] = m.MountPath
	}
	for _, v := range pod.Volumes {
		switch {
		case mounted[v.Name] == "":
			t.Errorf("volume %s is not mounted", v.Name)
		case v.ConfigMap != nil && v.ConfigMap.Name != c.config.Name:
			t.Errorf("ConfigMap %s, want %s", v.ConfigMap.Name, c.config.Name)
		case v.PersistentVolumeClaim != nil && (v.PersistentVolumeClaim.ClaimName != c.claim.Name || mounted[v.Name] != "/var/lib/tipline"):
			t.Errorf("claim %s at %s, want %s at /var/lib/tipline", v.PersistentVolumeClaim.ClaimName, mounted[v.Name], c.claim.Name)
		case v.Secret != nil && (v.Secret.Optional == nil || !*v.Secret.Optional):
			t.Errorf("secret %s must be optional: it is not in the manifest", v.Secret.SecretName)
		}
		delete(mounted, v.Name)
	}
	if len(mounted) > 0 {
		t.Errorf("mounted without a volume: %v", mounted)
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	folder, err := filepath.Abs("../compose")
	if err != nil {
		t.Fatal(err)
	}
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  folder,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(folder, "compose.yaml")}},
		Environment: types.Mapping{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tipline", "prometheus", "grafana"} {
		service, ok := project.Services[name]
		if !ok {
			t.Errorf("no service %s", name)
			continue
		}
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
		}
		for _, p := range service.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q, want this machine only", name, p.HostIP)
			}
		}
	}
	build := project.Services["tipline"].Build
	if build == nil {
		t.Fatal("tipline is not built")
	}
	if _, err := os.Stat(filepath.Join(build.Context, build.Dockerfile)); err != nil {
		t.Error(err)
	}
}

// Grafana's provisioning has no types outside of Grafana: these are the keys that the files use.
func TestProvisioning(t *testing.T) {
	t.Parallel()
	var sources struct {
		APIVersion  int `yaml:"apiVersion"`
		Datasources []struct {
			Name      string         `yaml:"name"`
			UID       string         `yaml:"uid"`
			Type      string         `yaml:"type"`
			Access    string         `yaml:"access"`
			URL       string         `yaml:"url"`
			IsDefault bool           `yaml:"isDefault"`
			JSONData  map[string]any `yaml:"jsonData"`
		} `yaml:"datasources"`
	}
	strict(t, read(t, "compose", "grafana", "provisioning", "datasources", "prometheus.yml"), &sources)
	if sources.APIVersion != 1 || len(sources.Datasources) != 1 || sources.Datasources[0].Type != "prometheus" {
		t.Errorf("data sources: %+v", sources)
	}
	var dashboards struct {
		APIVersion int `yaml:"apiVersion"`
		Providers  []struct {
			Name            string            `yaml:"name"`
			Type            string            `yaml:"type"`
			DisableDeletion bool              `yaml:"disableDeletion"`
			Options         map[string]string `yaml:"options"`
		} `yaml:"providers"`
	}
	strict(t, read(t, "compose", "grafana", "provisioning", "dashboards", "tipline.yml"), &dashboards)
	if len(dashboards.Providers) != 1 {
		t.Fatalf("dashboards: %+v", dashboards)
	}
	if at := dashboards.Providers[0].Options["path"]; !strings.Contains(string(read(t, "compose", "compose.yaml")), "../grafana:"+at+":ro") {
		t.Errorf("dashboards are read from %s, where none are mounted", at)
	}
}

func strict(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := yaml.Load(data, into, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
}

func TestUnit(t *testing.T) {
	t.Parallel()
	options, err := unit.DeserializeOptions(bytes.NewReader(read(t, "systemd", "tipline.service")))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, o := range options {
		got[o.Section+"."+o.Name] = o.Value
	}
	for name, want := range map[string]string{
		"Service.DynamicUser": "yes", "Service.StateDirectory": "tipline", "Service.ProtectSystem": "strict",
		"Service.ExecReload": "/bin/kill -HUP $MAINPID", "Service.NoNewPrivileges": "yes", "Install.WantedBy": "multi-user.target",
	} {
		if got[name] != want {
			t.Errorf("%s: got %q, want %q", name, got[name], want)
		}
	}
	if !strings.HasPrefix(got["Service.ExecStart"], "/usr/local/bin/tipline run --config=/etc/tipline/tipline.yml") {
		t.Errorf("Service.ExecStart: got %q", got["Service.ExecStart"])
	}
}

// systemd itself, where it is installed, has nothing to say about the unit, and calls what the unit may do at most slight.
func TestUnitVerified(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("SKIPPED: the unit is parsed but not verified: %v", err)
	}
	binary, err := os.Executable() // stands in for tipline, which verify wants to find
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(read(t, "systemd", "tipline.service")), "/usr/local/bin/tipline", binary)
	path := filepath.Join(t.TempDir(), "tipline.service")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--generators=no", path).CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, said)
	}
	if said, err := exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, said)
	}
}

// The rules behave as rules_test.yml says, where promtool is installed: what fires, when, and with which words.
func TestRulesVerified(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skipf("SKIPPED: the rules are evaluated in an embedded engine, but not by promtool: %v", err)
	}
	if said, err := exec.CommandContext(t.Context(), promtool, "test", "rules", filepath.Join("..", "prometheus", "rules_test.yml")).CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, said)
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	result, err := parser.Parse(bytes.NewReader(read(t, "docker", "Dockerfile")))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range result.Warnings {
		t.Errorf("warning: %+v", w)
	}
	stages, _, err := instructions.Parse(result.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if len(stages) != 2 || last.BaseName != "scratch" {
		t.Errorf("%d stages, the last from %s, want a build and an image from scratch", len(stages), last.BaseName)
	}
	var user, entry, port string
	for _, command := range last.Commands {
		switch command := command.(type) {
		case *instructions.UserCommand:
			user = command.User
		case *instructions.EntrypointCommand:
			entry = strings.Join(command.CmdLine, " ")
		case *instructions.ExposeCommand:
			port = strings.Join(command.Ports, " ")
		}
	}
	if user != "65532:65532" || entry != "/tipline" || port != "9464" {
		t.Errorf("got user %q, entry point %q, port %q", user, entry, port)
	}
}

// What the builder is given includes every folder of Go that the Dockerfile builds from.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	ignore, err := os.ReadFile("../../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") || e.Name() == "deploy" {
			continue
		}
		sources, err := filepath.Glob(filepath.Join("../..", e.Name(), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		if len(sources) > 0 && !strings.Contains(string(ignore), "\n!"+e.Name()+"\n") {
			t.Errorf(".dockerignore: %s is not given to the builder", e.Name())
		}
	}
}

// dashboard is the part of Grafana's dashboards that is checked.
type dashboard struct {
	UID        string `json:"uid"`
	Title      string `json:"title"`
	Templating struct {
		List []struct{ Name, Type string } `json:"list"`
	} `json:"templating"`
	Panels []struct {
		ID          int    `json:"id"`
		Type        string `json:"type"`
		Title       string `json:"title"`
		Description string `json:"description"`
		GridPos     struct{ H, W, X, Y int }
		Datasource  struct{ Type, UID string } `json:"datasource"`
		FieldConfig struct {
			Defaults struct {
				Unit string `json:"unit"`
			} `json:"defaults"`
		} `json:"fieldConfig"`
		Targets []struct {
			RefID      string                     `json:"refId"`
			Expr       string                     `json:"expr"`
			Datasource struct{ Type, UID string } `json:"datasource"`
		} `json:"targets"`
	} `json:"panels"`
}

func TestDashboard(t *testing.T) {
	t.Parallel()
	data := read(t, "grafana", "dashboard.json")
	if err := unique(json.NewDecoder(bytes.NewReader(data))); err != nil {
		t.Error(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for _, v := range d.Templating.List {
		variables[v.Name] = v.Type
	}
	if d.UID == "" || d.Title == "" || variables["datasource"] != "datasource" || variables["workload"] != "query" {
		t.Errorf("dashboard %q %q with variables %v", d.UID, d.Title, variables)
	}
	ids := map[int]bool{}
	taken := map[[2]int]string{}
	used := regexp.MustCompile(`\$\{?(\w+)`)
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] {
			t.Errorf("%s: id %d, want one of its own", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %q or beside the grid at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || p.Datasource.UID != "${datasource}" {
			t.Errorf("%q: want a title, a description, a unit, targets and the data source of the variable", p.Title)
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if target.Expr == "" || target.RefID == "" || refs[target.RefID] || target.Datasource.UID != "${datasource}" || target.Datasource.Type != "prometheus" {
				t.Errorf("%s: target %+v", p.Title, target)
			}
			refs[target.RefID] = true
			for _, v := range used.FindAllStringSubmatch(target.Expr, -1) {
				if variables[v[1]] == "" && !strings.HasPrefix(v[1], "__") {
					t.Errorf("%s: no variable %s", p.Title, v[1])
				}
			}
		}
	}
	if len(d.Panels) < 10 {
		t.Errorf("%d panels", len(d.Panels))
	}
}

// unique refuses an object with a key that is there twice, which encoding/json accepts.
func unique(decoder *json.Decoder) error {
	var keys []map[string]bool // of the objects around; nil for a list
	expectKey := false
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		inObject := len(keys) > 0 && keys[len(keys)-1] != nil
		switch token {
		case json.Delim('{'):
			keys, expectKey = append(keys, map[string]bool{}), true
			continue
		case json.Delim('['):
			keys, expectKey = append(keys, nil), false
			continue
		case json.Delim('}'), json.Delim(']'):
			keys = keys[:len(keys)-1]
			expectKey = len(keys) > 0 && keys[len(keys)-1] != nil
			continue
		}
		if inObject && expectKey {
			name := token.(string)
			if keys[len(keys)-1][name] {
				return fmt.Errorf("key %q is there twice before byte %d", name, decoder.InputOffset())
			}
			keys[len(keys)-1][name] = true
		}
		expectKey = inObject && !expectKey
	}
}
