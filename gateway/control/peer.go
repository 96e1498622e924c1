package control

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"vncgate/layers"
)

// ownPeer reports whether the peer is root or runs as we do.
func ownPeer(peer layers.Credentials) bool { return peer.UID == 0 || peer.UID == os.Geteuid() }

// Permits says who may do what on a control socket, by the names of users and,
// as "group:NAME", of groups; numbers are taken as well. "*" is everybody whom
// the socket's file lets in. Root and our own user are always admins.
type Permits struct {
	Admins, Operators, Viewers []string
}

// Role is what a peer may do. The kernel says who it is; to which groups that
// user belongs is looked up.
func (p Permits) Role(peer layers.Credentials) Role {
	if ownPeer(peer) {
		return Admin
	}
	who := namesOf(peer)
	for _, rule := range []struct {
		names []string
		role  Role
	}{{p.Admins, Admin}, {p.Operators, Operator}, {p.Viewers, Viewer}} {
		if slices.ContainsFunc(rule.names, func(name string) bool { return name == "*" || slices.Contains(who, name) }) {
			return rule.role
		}
	}
	return Nobody
}

const groupPrefix = "group:"

// namesOf are all names by which a peer may be meant.
func namesOf(peer layers.Credentials) []string {
	uid, gid := strconv.Itoa(peer.UID), strconv.Itoa(peer.GID)
	names, groups := []string{uid}, []string{gid}
	if u, err := user.LookupId(uid); err == nil {
		names = append(names, u.Username)
		if more, err := u.GroupIds(); err == nil {
			groups = append(groups, more...)
		}
	}
	for _, id := range groups {
		names = append(names, groupPrefix+id)
		if g, err := user.LookupGroupId(id); err == nil {
			names = append(names, groupPrefix+g.Name)
		}
	}
	return names
}

// Unknown returns those of the names that this system does not know, which would
// let nobody in.
func (p Permits) Unknown() (names []string) {
	for _, name := range slices.Concat(p.Admins, p.Operators, p.Viewers) {
		id := strings.TrimPrefix(name, groupPrefix)
		_, err := strconv.ParseUint(id, 10, 32)
		switch {
		case name == "*" || err == nil:
		case strings.HasPrefix(name, groupPrefix):
			if _, err := user.LookupGroup(id); err != nil {
				names = append(names, name)
			}
		default:
			if _, err := user.Lookup(name); err != nil {
				names = append(names, name)
			}
		}
	}
	return names
}
