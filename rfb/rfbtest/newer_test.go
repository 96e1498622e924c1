package rfbtest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"vncgate/rfb"
)

// The programs here speak security types that Debian's are too old for.
// TigerVNC from 1.13 on is to be built from its sources, with nettle:
//
//	VNCGATE_TIGERVNC_X0VNCSERVER=…/x0vncserver VNCGATE_TIGERVNC_VNCVIEWER=…/vncviewer
//
// noVNC 1.7 is among the packages of web/ui (npm ci).
const (
	envX0vncserver = "VNCGATE_TIGERVNC_X0VNCSERVER"
	envVncviewer   = "VNCGATE_TIGERVNC_VNCVIEWER"
	novncFolder    = "../../web/ui/node_modules/@novnc/novnc"
)

// built returns the program that a variable of the environment names.
func built(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	if path == "" {
		t.Skipf("%s does not name a TigerVNC of 1.13 or newer, which Debian does not have", variable)
	}
	return path
}

// packages are those of Debian that have what real displays are tested with.
var packages = map[string]string{
	"Xtigervnc": "tigervnc-standalone-server", "Xvfb": "xvfb", "qemu-system-x86_64": "qemu-system-x86", "display": "imagemagick",
	"gvnccapture": "gvncviewer", "xsetroot": "x11-xserver-utils", "x11vnc": "x11vnc", "xclip": "xclip", "xdotool": "xdotool",
}

// installed skips the test where a program is missing, or fails it where
// VNCGATE_REQUIRE_PEERS is set and Debian has the program.
func installed(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			of, common := packages[name]
			if common && os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
				t.Fatalf("%s is missing: apt-get install %s", name, of)
			}
			t.Skipf("%s is not installed", name)
		}
	}
}

// tigerTypes are TigerVNC's names.
var tigerTypes = map[string]string{"ra2": "RA2", "ra2ne": "RA2ne", "ra2-256": "RA2_256", "ra2ne-256": "RA2ne_256", "ard": "DH"}

// x0vncserver shows an X server's screen, to whoever knows the password.
func (r *recording) x0vncserver() { r.startX0vncserver(nil) }

// x0vncserverOfUsers asks for a user as well, whom PAM knows. Debian's
// libpam-wrapper makes it look for services and users in a folder of ours.
func (r *recording) x0vncserverOfUsers() {
	const modules = "/usr/lib/x86_64-linux-gnu/"
	if _, err := os.Stat(modules + "libpam_wrapper.so"); err != nil {
		r.t.Skip("libpam-wrapper is not installed")
	}
	users := r.file("users", user+":"+secret+":vnc\n")
	matrix := modules + "pam_wrapper/pam_matrix.so passdb=" + users + "\n"
	rules := "auth required " + matrix + "account required " + matrix
	service := r.file("services/vnc", rules)
	r.file("services/other", rules)
	r.startX0vncserver([]string{
		"LD_PRELOAD=libpam_wrapper.so", "PAM_WRAPPER=1", "PAM_WRAPPER_SERVICE_DIR=" + filepath.Dir(service),
	}, "-RequireUsername", "-PlainUsers="+user)
}

func (r *recording) startX0vncserver(env []string, more ...string) {
	kind := r.name
	for _, part := range []string{"x0vncserver-", "-wrong", "-user"} {
		kind = strings.ReplaceAll(kind, part, "")
	}
	obfuscate := exec.Command("vncpasswd", "-f")
	obfuscate.Stdin = strings.NewReader(secret + "\n")
	password, err := obfuscate.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := filepath.Abs(filepath.Join("testdata", "rsa.pem"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.run(append(env, r.xvfb(), "HOME="+r.dir), built(r.t, envX0vncserver), append(more,
		"-rfbport", fmt.Sprint(r.port), "-localhost", "-Geometry", "32x32", "-desktop", "transcript",
		"-SecurityTypes", tigerTypes[kind], "-RSAKey", key, "-PasswordFile", r.file("passwd", string(password)))...)
}

// libvncserver offers Tight, which none of the programs built on it in Debian
// does. Without its headers there is nothing to build.
func (r *recording) libvncserver() {
	installed(r.t, "gcc")
	program := filepath.Join(r.dir, "tightserver")
	if out, err := exec.Command("gcc", "-o", program, filepath.Join("testdata", "tightserver.c"), "-lvncserver").CombinedOutput(); err != nil {
		r.t.Skipf("libvncserver-dev is not installed: %s", out)
	}
	args := []string{fmt.Sprint(r.port)}
	if !strings.HasSuffix(r.name, "-none") {
		args = append(args, secret)
	}
	r.run(nil, program, args...)
}

// vncviewer16 has the viewer accept our key and look.
func (r *recording) vncviewer16() {
	x := r.xvfb()
	_, kind, _ := strings.Cut(r.name, "-")
	viewer := r.run([]string{x, "VNC_USERNAME=" + user, "VNC_PASSWORD=" + secret, "HOME=" + r.dir}, built(r.t, envVncviewer),
		"-SecurityTypes="+tigerTypes[kind], "-AutoSelect=0", "-PreferredEncoding=Raw", "-UseIPv6=0", "-AlertOnFatalError=0",
		"-ReconnectOnError=0", fmt.Sprintf("localhost::%d", r.port))
	if strings.HasPrefix(kind, "ra2") {
		r.acceptKey(x)
	}
	r.waitFor(rfb.MsgFramebufferUpdateRequest)
	time.Sleep(time.Second)
	stop(viewer)
}

// acceptKey presses Continue, which stands behind Cancel. The window may be
// gone before xdotool has finished, which is then its failure and not ours.
func (r *recording) acceptKey(x string) {
	cmd := exec.Command("xdotool", "search", "--sync", "--name", "Verify server key", "windowfocus", "--sync", "sleep", "0.5", "key", "Tab", "key", "space")
	cmd.Env = append(os.Environ(), x)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Logf("xdotool: %v: %s", err, out)
	}
}

// novnc17 has noVNC look at the display that a bridge leads to.
func (r *recording) novnc17() {
	page := &novncPage{t: r.t, serve: r.bridge, cases: []novncCase{{Name: r.name, User: user, Password: secret, Key: theKey(r.t)}}}
	page.open()
}

// theKey is how noVNC shows our key.
func theKey(t *testing.T) string {
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	return rfb.RSASignature(&key.PublicKey)
}

// novncCase is one connection of noVNC's.
type novncCase struct{ Name, User, Password, Key string }

// novncPage has noVNC make its connections one after the other.
type novncPage struct {
	t     *testing.T
	serve http.HandlerFunc // at /ws/NAME
	cases []novncCase

	mu   sync.Mutex
	said map[string]string // by name, what noVNC made of it
	done chan struct{}
}

// open returns what noVNC made of each case.
func (p *novncPage) open() map[string]string {
	installed(p.t, "chromium")
	if _, err := os.Stat(filepath.Join(novncFolder, "core", "rfb.js")); err != nil {
		p.t.Skip("noVNC is not installed; run npm ci in web/ui")
	}
	p.said, p.done = make(map[string]string), make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle("/novnc/", http.StripPrefix("/novnc/", http.FileServer(http.Dir(novncFolder))))
	mux.HandleFunc("/ws/", p.serve)
	mux.HandleFunc("/cases", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(p.cases) })
	mux.HandleFunc("/report", p.report)
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(novncHTML))
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(ln) })
	defer serving.Wait()
	defer server.Close()
	profile, err := os.MkdirTemp("", "novnc")
	if err != nil {
		p.t.Fatal(err)
	}
	defer removeAtLast(profile)
	browser := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir="+profile,
		"--no-first-run", "--remote-debugging-port=0", "http://"+ln.Addr().String()+"/")
	if err := browser.Start(); err != nil {
		p.t.Fatal(err)
	}
	defer stop(browser)
	select {
	case <-p.done:
	case <-time.After(90 * time.Second):
		p.t.Error("noVNC does not get to an end")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.said
}

// removeAtLast removes a folder that a browser's other processes may still be
// writing to for a moment.
func removeAtLast(folder string) {
	for range 100 {
		if os.RemoveAll(folder) == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (p *novncPage) report(_ http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if name := r.FormValue("name"); name != "" {
		p.said[name] = r.FormValue("said")
		return
	}
	close(p.done)
}

// novncHTML connects to each of the cases, and tells what came of it once there
// is a picture that is not black, or a failure.
const novncHTML = `<!doctype html><title>noVNC</title><div id="screen"></div><script type="module">
import RFB from "/novnc/core/rfb.js";
function connect(c) {
	return new Promise((resolve) => {
		const said = [];
		const rfb = new RFB(document.getElementById("screen"), "ws://" + location.host + "/ws/" + c.Name,
			{credentials: {username: c.User, password: c.Password}});
		rfb.addEventListener("serververification", async (e) => {
			const sum = new Uint8Array(await crypto.subtle.digest("SHA-1", e.detail.publickey)).slice(0, 8);
			const key = Array.from(sum, (b) => b.toString(16).padStart(2, "0")).join("-");
			said.push(key === c.Key ? "key" : "other key " + key);
			rfb.approveServer();
		});
		rfb.addEventListener("securityfailure", (e) => said.push("refused " + e.detail.reason));
		rfb.addEventListener("disconnect", () => resolve(said.join(", ")));
		rfb.addEventListener("connect", () => {
			said.push("connected to " + rfb._fbName);
			rfb.sendKey(0x61, "KeyA", true);
			const look = setInterval(() => {
				const i = rfb.getImageData();
				if (i.data[0] + i.data[1] + i.data[2] === 0) return;
				clearInterval(look);
				said.push("picture " + i.width + "x" + i.height);
				rfb.disconnect();
			}, 20);
			setTimeout(() => rfb.disconnect(), 5000);
		});
	});
}
for (const c of await (await fetch("/cases")).json()) {
	await fetch("/report?" + new URLSearchParams({name: c.Name, said: await connect(c)}));
}
await fetch("/report");
</script>`

// wsConn is a WebSocket as a stream, each write one message.
type wsConn struct {
	*websocket.Conn
	rest bytes.Reader
}

func (c *wsConn) Read(b []byte) (int, error) {
	for c.rest.Len() == 0 {
		_, msg, err := c.ReadMessage()
		if err != nil {
			return 0, err
		}
		c.rest.Reset(msg)
	}
	return c.rest.Read(b)
}

func (c *wsConn) Write(b []byte) (int, error) {
	return len(b), c.WriteMessage(websocket.BinaryMessage, b)
}

func (c *wsConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}
