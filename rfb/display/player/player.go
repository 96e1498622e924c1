// Package player shows recordings and running sessions to viewers: whoever looks
// has an ordinary display before him, which package screen shows.
//
// A Player plays a recording, with pause, speed and seek. A Live follows a
// session that runs, from what its gateway hands on of it.
//
// Neither has an input: keys, buttons and texts of viewers lead nowhere.
package player
