/* Preloaded into a viewer: host names that end in ".vnc.example" are this
 * machine, as a zone of their own would have them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
    static const char zone[] = ".vnc.example";
    static int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    size_t length = node ? strlen(node) : 0;

    if (!next)
        *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (length > sizeof zone - 1 && !strcmp(node + length - (sizeof zone - 1), zone))
        node = "127.0.0.1";
    return next(node, service, hints, res);
}
