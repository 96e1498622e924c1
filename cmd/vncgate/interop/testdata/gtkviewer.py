"""A viewer on gtk-vnc, driven by lines on its standard input.

  shot PATH      write the picture as PNG
  key NUMBER     press and release a keysym
  pointer X Y M  pointer event with a button mask
  cut TEXT       send TEXT as cut text

Each is answered by "ok" or "error ...". "event ..." lines come in between:
connected, size W H, cut TEXT, refused REASON, closed. Usage: gtkviewer.py
HOST PORT, with VIEWER_USER and VIEWER_PASSWORD in the environment.
"""

import os
import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GtkVnc", "2.0")
from gi.repository import GLib, Gtk, GtkVnc  # noqa: E402


def say(*words):
    print(*words, flush=True)


def credential(display, wanted):
    answers = {
        GtkVnc.DisplayCredential.PASSWORD: os.environ.get("VIEWER_PASSWORD", ""),
        GtkVnc.DisplayCredential.USERNAME: os.environ.get("VIEWER_USER", ""),
        GtkVnc.DisplayCredential.CLIENTNAME: "interop",
    }
    for i in range(wanted.n_values):
        kind = wanted.get_nth(i)
        display.set_credential(kind, answers[kind])


def shot(display, path):
    picture = display.get_pixbuf()
    if picture is None:
        return "error no picture"
    picture.savev(path, "png", [], [])
    return "ok"


def command(display, line):
    verb, _, rest = line.strip().partition(" ")
    if verb == "shot":
        return shot(display, rest)
    if verb == "key":
        display.send_keys([int(rest, 0)])
    elif verb == "pointer":
        display.send_pointer(*[int(n) for n in rest.split()])
    elif verb == "cut":
        display.client_cut_text(rest)
    else:
        return "error unknown command"
    return "ok"


def on_line(stream, _condition, display):
    line = stream.readline()
    if not line:
        Gtk.main_quit()
        return False
    say(command(display, line))
    return True


def over(*words):
    say("event", *words)
    Gtk.main_quit()


window = Gtk.Window()
display = GtkVnc.Display()
window.add(display)
display.realize()
window.show_all()
display.set_lossy_encoding(False)
display.connect("vnc-auth-credential", credential)
display.connect("vnc-initialized", lambda d: say("event connected"))
display.connect("vnc-desktop-resize", lambda d, w, h: say("event size", w, h))
display.connect("vnc-server-cut-text", lambda d, text: say("event cut", text))
display.connect("vnc-auth-failure", lambda d, why: say("event refused", why))
display.connect("vnc-error", lambda d, why: say("event error", why))
display.connect("vnc-disconnected", lambda d: over("closed"))
GLib.io_add_watch(sys.stdin, GLib.IO_IN | GLib.IO_HUP, on_line, display)
display.open_host(sys.argv[1], sys.argv[2])
Gtk.main()
