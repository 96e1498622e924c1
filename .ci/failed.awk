# Says at the very end of `make test` which tests failed, from what
# `go test -json` printed, runs of single tests again included. It fails
# - when a test that failed has not passed when it was run again,
# - when a package failed and none of its tests did (its build, its TestMain,
#   which looks for goroutines left behind): running it again proves nothing,
# - when there was a data race, be it in a program that a test had started.
# What failed and then passed is named, so that it is mended.
BEGIN { FS = "\"" }

/DATA RACE/ { races++ }
/the gateway.s output has / { races++ } # a race or a panic: cmd/vncgate/interop

/"Action":"output"/ { next }

$6 == "Action" && $10 == "Package" {
	action = $8
	name = $14 == "Test" ? $12 " " $16 : ""
	if (action != "pass" && action != "fail" || name != "" && $16 ~ /\//)
		next # a part of a test counts with it
	if (name == "") { # the package itself
		if (action == "fail" && !failing[$12])
			broken[$12] = 1
		failing[$12] = 0
		next
	}
	if (action == "fail") {
		failing[$12] = 1
		failed[name]++
	} else
		passed[name]++
}

END {
	for (pkg in broken) {
		printf "--- FAIL: %s: the package itself, not one of its tests\n", pkg
		bad = 1
	}
	for (name in failed) {
		split(name, part, " ")
		if (passed[name])
			printf "flaky: %s in %s failed %d times and then passed: mend it\n", part[2], part[1], failed[name]
		else {
			printf "--- FAIL: %s in %s, %d times\n", part[2], part[1], failed[name]
			bad = 1
		}
	}
	if (races) {
		print "--- FAIL: a data race or a panic, see above"
		bad = 1
	}
	exit bad
}
