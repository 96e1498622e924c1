package main

import (
	"fmt"
	"strings"
)

// gatewayWords are what vncgate tells viewers whose session comes to nothing,
// what it means, and what to do. Whoever reads them has been let in, as far as
// proofs go.
var gatewayWords = []struct{ said, means, advice string }{
	{
		"There is no such display.", "the log-in was right, but the gateway has no target of this name",
		"On this side: name one of its targets: …/websockify?target=NAME.",
	},
	{
		"The display cannot be reached.", "we were let in, but the display behind the gateway does not answer",
		examineBehind,
	},
	{
		"The display did not answer in time.", "we were let in, but the display behind the gateway hangs, or does not answer",
		examineBehind,
	},
	{
		"No secure connection to the display could be made.", "we were let in, but the gateway's TLS or WebSocket to the display behind it failed",
		examineBehind,
	},
	{
		"The display did not let the gateway in.", "we were let in, but the display behind the gateway refused the gateway",
		examineBehind + " Its user and password for the display are usually what is wrong.",
	},
	{
		"The gateway is full. Try again later.", "the log-in was right, but the gateway is full",
		"On the other side: it has as many sessions as its limits allow; its log says which.",
	},
	{
		"The gateway cannot tell at the moment how many sessions there are. Try again in a few seconds.", "the log-in was right, but the gateway does not reach the Redis that it counts sessions in",
		"On the other side: 'vncgate ctl nodes' says since when and why; with cluster.alone: local it would count its own sessions meanwhile.",
	},
	{
		"The gateway cannot serve this now.", "the gateway has a fault of its own",
		"On the other side: its log says which.",
	},
}

const examineBehind = "On the other side: run 'vncgate doctor TARGET --config FILE' where the gateway runs; it says why, and so does the gateway's log."

// byGateway recognises a refusal by vncgate's words; nil if it is none.
func byGateway(reason string) error {
	for _, w := range gatewayWords {
		if strings.TrimSpace(reason) == w.said {
			return newTrouble(fmt.Sprintf("%s: %q", w.means, reason), w.advice)
		}
	}
	return nil
}
