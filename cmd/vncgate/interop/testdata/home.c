// gtk-vnc looks for ~/.pki/CA/cacert.pem in the home folder of the user
// database, whatever HOME says. Preloaded, this makes it HOME.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pwd.h>
#include <stdlib.h>

struct passwd *getpwuid(uid_t uid) {
	struct passwd *(*next)(uid_t) = (struct passwd * (*)(uid_t)) dlsym(RTLD_NEXT, "getpwuid");
	struct passwd *user = next(uid);
	char *home = getenv("HOME");
	if (user && home)
		user->pw_dir = home;
	return user;
}
