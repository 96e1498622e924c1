// Package bridge carries the bytes of any TCP or unix-socket service to
// browsers over WebSocket, and serves files on the same port: what websockify
// does. It looks into nothing that it carries, be it RFB, SPICE, telnet or MQTT;
// package web is the one that knows displays.
//
// # Protocol flow
//
// A GET with "Upgrade: websocket" for any path is asked for its token, if there
// is a look-up, then for its log-in, and then upgraded. Only then is the target
// dialled: a browser tells its page the code and the words of a close frame, but
// nothing of an answer other than 101.
//
//	no token, an unknown one      403
//	a look-up that is not possible 502
//	no log-in, a wrong one        401 with a challenge, or 403
//	no target                     101, then close 1011 "Failed to connect to downstream server"
//	target ends                   close 1000 "Target closed"
//	target fails or stalls        close 1011
//	no answer to pings, no reads  close 1008
//	Shutdown                      close 1001
//
// Any other GET or HEAD is one for a file, or answered with 405 where no
// directory is served; other methods are answered with 501.
//
// # Differences from websockify
//
// Seen side by side with websockify 0.10.0. A bad token, which is a connection
// closed without a word there, has a status. A sub-protocol is found anywhere in
// the list offered, with spaces around it. Frames are held to RFC 6455: reserved
// bits, long control frames and frames cut from their messages are refused. A
// reset by the target is told with a close frame. "Basic" may be in any case, and
// its credentials in UTF-8; an empty password is no configuration. Names that
// begin with a dot, links out of the directory and files in Config.Hide (by
// default websockify takes its private key from the directory that it serves)
// are neither listed nor served; ranges are. A recording is readable by its
// owner alone, and numbered by session, not by connection. Neither tokens nor
// queries are logged.
package bridge
