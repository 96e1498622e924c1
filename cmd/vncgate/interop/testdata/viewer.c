// A small viewer on libvncclient, driven by lines on its standard input:
//   shot PATH      write the picture as PPM; answers "ok"
//   key NUMBER     press and release a keysym; answers "ok"
//   pointer X Y M  pointer event with a button mask; answers "ok"
//   cut TEXT       send TEXT as cut text; answers "ok"
// It prints "event size W H", "event cursor W H X Y HASH", "event cut TEXT" as
// they come. Usage: viewer HOST PORT ENCODINGS TYPE…, with the numbers of the
// security types it may use (19 and the subtype for VeNCrypt) and VIEWER_USER,
// VIEWER_PASSWORD and VIEWER_CA in the environment.
#include <rfb/rfbclient.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

static char *env(const char *name) {
	const char *value = getenv(name);
	return strdup(value ? value : "");
}

static char *password(rfbClient *client) {
	(void)client;
	return env("VIEWER_PASSWORD");
}

#ifdef LIBVNCSERVER_HAVE_SASL
static char *user(rfbClient *client) {
	(void)client;
	return env("VIEWER_USER");
}

// mechanism is not the strongest that is offered, which others take.
static char *mechanism(rfbClient *client, char *offered) {
	(void)client;
	return strdup(strstr(offered, "SCRAM-SHA-256") ? "SCRAM-SHA-256" : offered);
}
#endif

static rfbCredential *credential(rfbClient *client, int type) {
	(void)client;
	rfbCredential *c = calloc(1, sizeof *c);
	if (type == rfbCredentialTypeUser) {
		c->userCredential.username = env("VIEWER_USER");
		c->userCredential.password = env("VIEWER_PASSWORD");
	} else {
		c->x509Credential.x509CACertFile = env("VIEWER_CA");
		c->x509Credential.x509CrlVerifyMode = rfbX509CrlVerifyNone;
	}
	return c;
}

static rfbBool resize(rfbClient *client) {
	free(client->frameBuffer);
	client->frameBuffer = calloc((size_t)client->width * client->height, 4);
	printf("event size %d %d\n", client->width, client->height);
	return client->frameBuffer ? TRUE : FALSE;
}

static void cut(rfbClient *client, const char *text, int length) {
	(void)client;
	printf("event cut %.*s\n", length, text);
}

static void cursor(rfbClient *client, int xhot, int yhot, int width, int height, int bytes) {
	unsigned hash = 2166136261u; // FNV-1a over the pixels that show
	for (int i = 0; i < width * height; i++) {
		for (int b = 0; b < bytes && client->rcMask[i]; b++)
			hash = (hash ^ client->rcSource[i * bytes + b]) * 16777619u;
		hash = (hash ^ client->rcMask[i]) * 16777619u;
	}
	printf("event cursor %d %d %d %d %08x\n", width, height, xhot, yhot, hash);
}

static void shot(rfbClient *client, const char *path) {
	FILE *out = fopen(path, "wb");
	if (!out) {
		printf("error cannot write\n");
		return;
	}
	fprintf(out, "P6\n%d %d\n255\n", client->width, client->height);
	rfbPixelFormat *f = &client->format;
	for (int i = 0; i < client->width * client->height; i++) {
		uint32_t p = ((uint32_t *)client->frameBuffer)[i];
		unsigned char rgb[3] = {p >> f->redShift, p >> f->greenShift, p >> f->blueShift};
		fwrite(rgb, 1, 3, out);
	}
	fclose(out);
	printf("ok\n");
}

static void command(rfbClient *client, char *line) {
	int x, y, mask;
	line[strcspn(line, "\n")] = 0;
	if (!strncmp(line, "shot ", 5)) {
		shot(client, line + 5);
		return;
	}
	if (!strncmp(line, "key ", 4)) {
		uint32_t sym = strtoul(line + 4, NULL, 0);
		SendKeyEvent(client, sym, TRUE);
		SendKeyEvent(client, sym, FALSE);
	} else if (sscanf(line, "pointer %d %d %d", &x, &y, &mask) == 3) {
		SendPointerEvent(client, x, y, mask);
	} else if (!strncmp(line, "cut ", 4)) {
		SendClientCutText(client, line + 4, strlen(line + 4));
	} else {
		printf("error unknown command\n");
		return;
	}
	printf("ok\n");
}

static rfbClient *viewer(int argc, char **argv) {
	uint32_t types[8];
	int n = 0;
	for (int i = 4; i < argc && n < 8; i++)
		types[n++] = strtoul(argv[i], NULL, 10);
	rfbClient *client = rfbGetClient(8, 3, 4);
	client->serverHost = strdup(argv[1]);
	client->serverPort = atoi(argv[2]);
	client->appData.encodingsString = argv[3];
	client->appData.enableJPEG = FALSE;
	client->appData.useRemoteCursor = TRUE;
	client->canHandleNewFBSize = TRUE;
	client->GetPassword = password;
	client->GetCredential = credential;
#ifdef LIBVNCSERVER_HAVE_SASL
	client->GetUser = user;
	client->GetSASLMechanism = mechanism;
#endif
	client->MallocFrameBuffer = resize;
	client->GotXCutText = cut;
	client->GotCursorShape = cursor;
	SetClientAuthSchemes(client, types, n);
	return client;
}

int main(int argc, char **argv) {
	static char line[1 << 16];
	if (argc < 5)
		return 2;
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	rfbClient *client = viewer(argc, argv);
	if (!rfbInitClient(client, NULL, NULL)) {
		printf("event refused\n");
		return 1;
	}
	for (;;) {
		int n = WaitForMessage(client, 20000);
		if (n < 0 || (n > 0 && !HandleRFBServerMessage(client))) {
			printf("event closed\n");
			return 1;
		}
		fd_set in;
		struct timeval now = {0, 0};
		FD_ZERO(&in);
		FD_SET(0, &in);
		if (select(1, &in, NULL, NULL, &now) <= 0)
			continue;
		if (!fgets(line, sizeof line, stdin))
			return 0;
		command(client, line);
	}
}
